//! `cargo xtask h2spec`: the cases of h2spec, with the strict ones, against a gate.

use std::process::Command;

use super::{
    peer::{Peer, Scene},
    process::{Applications, Proxy},
    tools::Tools,
};
use crate::{file::failed, go, peers::Error, terminal};

const H2SPEC: go::Module = go::Module {
    name: "h2spec",
    package: "github.com/summerwind/h2spec/cmd/h2spec",
    tags: "",
    manifest: include_str!("../../../peers/h2spec/go.mod"),
    sums: include_str!("../../../peers/h2spec/go.sum"),
    source: "",
    takes: "1 minute on 2 cores",
};

/// Where a gate does something else, and why.
const KNOWN: [(&str, &str); 3] = [
    (
        "Sends invalid connection preface",
        "what does not begin as HTTP/2 is HTTP/1.1 on this port: it is answered with 400, and closed",
    ),
    (
        "closed: Sends a DATA frame after sending RST_STREAM frame",
        "the answer was on its way; frames that come late are ignored for a while (RFC 9113, 5.1)",
    ),
    (
        "closed: Sends a HEADERS frame after sending RST_STREAM frame",
        "the answer was on its way; frames that come late are ignored for a while (RFC 9113, 5.1)",
    ),
];

/// Runs all cases and prints which fail.
///
/// # Errors
/// If one fails that is not known to.
pub(crate) fn run() -> Result<(), Error> {
    let program = H2SPEC.build()?;
    let tools = Tools::ours()?;
    let folder = std::env::temp_dir();
    let applications = Applications::start(&tools, Scene::Small)?;
    let gate = Proxy::start(Peer::Ours, Scene::Small, &tools, &applications, &folder)?;
    let (host, port) = (
        gate.address.ip().to_string(),
        gate.address.port().to_string(),
    );
    let mut command = Command::new(program);
    command.args([
        "--strict", "--path", "/users/1", "--host", &host, "--port", &port,
    ]);
    // It ends with a failure when a case does: what it says is read.
    let output = command.output().map_err(failed("run", H2SPEC.name))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let (failures, summary) = read(&said).ok_or_else(|| Error::Answer {
        peer: H2SPEC.name,
        answer: said.clone().into_owned(),
        expected: "a summary",
    })?;
    terminal::result(summary);
    let known = |case: &str| KNOWN.iter().find(|(name, _)| *name == case);
    for case in &failures {
        let why = known(case).map_or("NOT KNOWN", |(_, why)| why);
        terminal::result(&format!("fails: {case} ({why})"));
    }
    match failures.iter().find(|case| known(case).is_none()) {
        None => Ok(()),
        Some(case) => Err(Error::Answer {
            peer: "the gate",
            answer: (*case).to_owned(),
            expected: "what RFC 9113 wants",
        }),
    }
}

/// The cases that failed, and the last line: `146 tests, 142 passed, 1 skipped, 3 failed`.
fn read(said: &str) -> Option<(Vec<&str>, &str)> {
    let summary = said.lines().rfind(|line| line.contains(" tests, "))?;
    let list = said.split_once("Failures:").map_or("", |(_, list)| list);
    let cases = list.lines().filter_map(|line| {
        let case = line.trim().strip_prefix("× ")?;
        case.split_once(": ").map(|(_, case)| case)
    });
    Some((cases.collect(), summary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_are_listed() {
        let said = "  × 2: seen before\nFailures: \n\n  3.5. Preface\n      × 2: closed: Sends it\n        -> It MUST.\n\
                    Finished in 0.1 seconds\n146 tests, 145 passed, 0 skipped, 1 failed\n";
        let (failures, summary) = read(said).expect("it has a summary");
        assert_eq!(failures, ["closed: Sends it"]);
        assert_eq!(summary, "146 tests, 145 passed, 0 skipped, 1 failed");
        assert_eq!(read("Error: connection refused"), None);
    }
}
