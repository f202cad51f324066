//! `cargo xtask contract`: the embedded Kubernetes API held to a real one, by facts and by random operations.

use std::{env, ffi::OsString, io, process::Stdio};

use crate::{cluster, command, terminal};

/// Random operations on both servers.
const OPERATIONS: &str = "10000";

/// Why the embedded API was not shown to be like the real one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// There is no real API server to compare with.
    #[error("no cluster to compare with")]
    Cluster(#[from] cluster::Error),
    /// The test runner could not be started.
    #[error("cannot start cargo")]
    Start(#[source] io::Error),
    /// A suite failed.
    #[error("{0} does not hold")]
    Failed(&'static str),
    /// A suite ran nothing, or did not say what it ran.
    #[error("{0} ran nothing")]
    Nothing(&'static str),
}

/// The real API server is named to these suites; the ones that compare on their own are `#[ignore]`d.
const COMPARED: [(&str, [&str; 2]); 3] = [
    (
        "random operations on both",
        ["metaparticle-contract", "property"],
    ),
    (
        "field ownership on both",
        ["metaparticle-local", "managed_fields"],
    ),
    (
        "the controllers' scenarios on the real cluster",
        ["metaparticle-local", "graph"],
    ),
];

/// Runs the facts on both servers, then what compares the two: random operations, field ownership, and what
/// controllers leave; then coordination on the real one. `arguments` go to the facts.
///
/// # Errors
/// When there is no cluster, a suite fails, or a suite ran nothing.
pub(crate) fn run(arguments: &[String]) -> Result<(), Error> {
    let kubeconfig = kubeconfig()?;
    let operations = env::var_os("METAPARTICLE_CONTRACT_OPERATIONS");
    let on_real = [
        (cluster::OTHER_CLUSTER, kubeconfig),
        (
            "METAPARTICLE_CONTRACT_OPERATIONS",
            operations.unwrap_or_else(|| OPERATIONS.into()),
        ),
    ];
    let facts = ["metaparticle-contract", "behaviours"];
    let embedded = "the contract on the embedded API server";
    let real = "the contract on the real API server";
    let mut counts = vec![
        suite(embedded, facts, &[], arguments)?,
        suite(real, facts, &on_real, arguments)?,
    ];
    let ignored = ["--ignored".to_owned(), "--nocapture".to_owned()];
    for (what, target) in COMPARED {
        counts.push(suite(what, target, &on_real, &ignored)?);
    }
    counts.push(coordination(&on_real[..1])?);
    for count in counts {
        terminal::result(&count);
    }
    Ok(())
}

/// Runs the tests of coordination on the real API server: for fencing it alone has policies and custom resources.
fn coordination(environment: &[(&str, OsString)]) -> Result<String, Error> {
    let what = "coordination on the real API server";
    terminal::step(what);
    let mut cargo = command::cargo(["test", "--package", "metaparticle-coordination", "--lib"]);
    cargo
        .args(["--", "--include-ignored"])
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stderr(Stdio::inherit());
    let output = cargo.output().map_err(Error::Start)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        terminal::result(&text);
        return Err(Error::Failed(what));
    }
    let passed = passed(&text).ok_or(Error::Nothing(what))?;
    Ok(format!(
        "{passed} facts of coordination hold on the real API server"
    ))
}

/// How many tests passed, by libtest's last line, if any did.
fn passed(output: &str) -> Option<u32> {
    let mut lines = output.lines();
    let line = lines.find_map(|line| line.strip_prefix("test result: ok. "))?;
    let passed = line.split(' ').next()?.parse().ok()?;
    (passed > 0).then_some(passed)
}

/// The real cluster's: the one that is named, or that of the test cluster.
fn kubeconfig() -> Result<OsString, Error> {
    if let Some(named) = env::var_os(cluster::OTHER_CLUSTER).filter(|it| !it.is_empty()) {
        return Ok(named);
    }
    let about = cluster::about()?;
    Ok(about["kubeconfig"].as_str().unwrap_or_default().into())
}

/// Runs one test target, and returns what it says of how much it ran.
fn suite(
    what: &'static str,
    [package, target]: [&str; 2],
    environment: &[(&str, OsString)],
    arguments: &[String],
) -> Result<String, Error> {
    terminal::step(what);
    let mut cargo = command::cargo(["test", "--package", package, "--test", target, "--"]);
    cargo
        .args(arguments)
        .env_remove(cluster::OTHER_CLUSTER)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stderr(Stdio::inherit());
    let output = cargo.output().map_err(Error::Start)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        terminal::result(&text);
        return Err(Error::Failed(what));
    }
    count(&text).ok_or(Error::Nothing(what))
}

/// The lines with counts, if there are any and none is 0.
fn count(output: &str) -> Option<String> {
    let lines = output
        .lines()
        .filter_map(|line| Some(line.split_once("contract: ")?.1)); // the test's name may stand before it
    let lines: Vec<&str> = lines.collect();
    let ran = !lines.is_empty() && lines.iter().all(|line| !line.starts_with("0 "));
    ran.then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_counted_and_none_is_none() {
        let ran = "running 2 tests\n\ntest result: ok. 2 passed; 0 failed; 0 ignored\n";
        assert_eq!(passed(ran), Some(2));
        assert_eq!(
            passed("test result: ok. 0 passed; 0 failed; 3 ignored\n"),
            None
        );
        assert_eq!(passed("running 0 tests\n"), None);
    }

    #[test]
    fn a_suite_that_ran_nothing_has_no_count() {
        let ran = "running 3 tests\ncontract: 3 of 3 behaviours ran on the real API server\n";
        assert_eq!(
            count(ran).as_deref(),
            Some("3 of 3 behaviours ran on the real API server")
        );
        assert_eq!(
            count("test it ... contract: 10 scenarios ran\nok\n").as_deref(),
            Some("10 scenarios ran")
        );
        assert_eq!(
            count("contract: 0 of 3 behaviours ran on the real API server\n"),
            None
        );
        assert_eq!(count("running 0 tests\n"), None);
    }
}
