//! The embedded cluster beside the real control plane: start, memory, writes, watchers, in one run.

use std::process::Command;

use super::{Error, build};
use crate::{cluster, command, terminal};

/// Builds the example of four replicas and the measuring program, both optimised, and runs it beside the test cluster.
///
/// # Errors
/// When there is no cluster, or a program cannot be built or fails.
pub(super) fn compare() -> Result<(), Error> {
    let about = cluster::about()?;
    terminal::step("building with optimisation");
    let web = build("metaparticle-examples", "web", &[])?;
    let bench = build("metaparticle-benches", "local", &[])?;
    let words = |name: &str| {
        let all = about[name].as_array().into_iter().flatten();
        all.filter_map(serde_json::Value::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    };
    terminal::step("measuring, about a minute");
    let mut command = Command::new(bench);
    command
        .arg(web)
        .env(
            cluster::OTHER_CLUSTER,
            about["kubeconfig"].as_str().unwrap_or_default(),
        )
        .env("METAPARTICLE_BENCH_CONTROL_PLANE", words("controlPlane"));
    terminal::result(command::output(&mut command)?.trim_end());
    Ok(())
}
