//! The embedded cluster beside the real control plane: start, memory, writes, watchers, in one run.

use std::process::{Command, Stdio};

use super::Error;
use crate::{cluster, command, terminal};

/// Builds the example of four replicas and the measuring program, both optimised, and runs it beside the test cluster.
///
/// # Errors
/// When there is no cluster, or a program cannot be built or fails.
pub(super) fn compare() -> Result<(), Error> {
    let about = cluster::about()?;
    terminal::step("building with optimisation");
    let web = build("metaparticle-examples", "web")?;
    let bench = build("metaparticle-benches", "local")?;
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

/// The program that cargo made.
fn build(package: &str, program: &str) -> Result<String, Error> {
    let arguments = [
        "build",
        "--release",
        "--package",
        package,
        "--bin",
        program,
        "--message-format",
        "json",
    ];
    let mut cargo = command::cargo(arguments);
    cargo.stderr(Stdio::inherit());
    let messages = command::output(&mut cargo)?;
    executable(&messages, program).ok_or_else(|| Error::Answer {
        peer: "cargo",
        answer: command::last_lines(&messages, 1).to_owned(),
        expected: "a program",
    })
}

fn executable(messages: &str, program: &str) -> Option<String> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == program)
        .find_map(|message| message["executable"].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_the_name_is_found_among_the_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"kube"},"executable":null}"#,
            "\nnot JSON\n",
            r#"{"reason":"compiler-artifact","target":{"name":"web"},"executable":"/target/release/web"}"#,
        );
        assert_eq!(
            executable(messages, "web").as_deref(),
            Some("/target/release/web")
        );
        assert_eq!(executable(messages, "kube"), None);
    }
}
