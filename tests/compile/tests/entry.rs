//! Who am I? What happens before the user's `main`, by the role that the program was given, and how it ends.

#![allow(clippy::unwrap_used, reason = "a suite panics where it fails")]

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use metaparticle_compile_tests::{Cargo, Package, cargo::shared};

/// Says its pod, then waits to be asked to end.
const MAIN: &str = r#"
#[metaparticle::replicated(4, ports = [8080])]
#[tokio::main]
async fn main() {
    match metaparticle::pod() {
        Some(pod) => println!("{} in {}", pod.name, pod.namespace),
        None => println!("no pod"),
    }
    if std::env::args().nth(1).as_deref() == Some("wait") {
        let shutdown = std::pin::pin!(metaparticle::shutdown());
        let mut shutdown = shutdown;
        // Once polled, the signals are taken.
        let polled = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(shutdown.as_mut().poll(cx).is_pending())
        });
        assert!(polled.await);
        println!("waiting");
        shutdown.await;
        println!("asked to end");
    }
}
"#;

#[test]
fn every_role_of_our_manifests_runs_main() {
    for role in ["replica", "shard", "job", "router"] {
        let output = run(&[("METAPARTICLE_ROLE", role)]);
        assert!(output.status.success(), "{role}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "no pod\n");
    }
}

#[test]
fn a_sharded_program_without_the_gate_is_told_which_feature_has_it() {
    let package = Package::alone(&shared().join("packages/gateless"), "gateless");
    let main =
        "#[metaparticle::sharded(shards = 3, key = \"/{id}\", ports = [8080])]\nfn main() {}\n";
    package.write("src/main.rs", main);
    let outcome = Cargo::new(&package.dir, &["build"]).run();
    assert!(!outcome.is_success);
    let needs = "#[sharded] needs the feature `router` of the crate metaparticle";
    assert!(outcome.stderr.contains(needs), "{}", outcome.stderr);
}

#[test]
fn unknown_role_is_refused_by_name() {
    let output = run(&[("METAPARTICLE_ROLE", "leader")]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: METAPARTICLE_ROLE is `leader`: use one of replica, shard, job, router, or unset it to deploy\n"
    );
}

#[test]
fn without_a_role_and_without_the_deployer_main_does_not_run() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("enable the feature `deploy`"), "{message}");
}

#[test]
fn pod_is_what_the_manifests_say() {
    let output = run(&[
        ("METAPARTICLE_ROLE", "replica"),
        ("METAPARTICLE_POD_NAME", "web-7d4b-x2x"),
        ("METAPARTICLE_POD_NAMESPACE", "shop"),
    ]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "web-7d4b-x2x in shop\n"
    );
}

#[cfg(unix)]
#[test]
fn shutdown_comes_with_either_signal() {
    for signal in ["TERM", "INT"] {
        let mut program = Command::new(executable())
            .arg("wait")
            .env("METAPARTICLE_ROLE", "replica")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(program.stdout.take().unwrap());
        let mut line = String::new();
        while line != "waiting\n" {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it ended early");
        }
        let pid = program.id().to_string();
        let mut kill = Command::new("sh");
        kill.args(["-c", "kill -s $0 $1", signal, &pid]);
        assert!(kill.status().unwrap().success());
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "asked to end\n");
        assert!(program.wait().unwrap().success());
    }
}

fn run(env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(executable());
    for name in ["ROLE", "POD_NAME", "POD_NAMESPACE", "POD_UID"] {
        command.env_remove(format!("METAPARTICLE_{name}"));
    }
    command.envs(env.iter().copied()).output().unwrap()
}

fn executable() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let package = Package::alone(&shared().join("packages/entry"), "entry");
        package.write("src/main.rs", MAIN);
        let args = ["build", "--message-format=json"];
        Cargo::new(&package.dir, &args)
            .succeed()
            .executable("entry")
    })
}
