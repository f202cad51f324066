//! `cargo xtask cluster` on the machine itself: that nothing is left of it is
//! judged here by other means than its own.
//!
//! Needs root and a machine without a running test cluster, so it has to be
//! asked for: `cargo test -p xtask --test cluster -- --ignored`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[test]
#[ignore = "changes the machine: needs root and takes a minute"]
fn nothing_is_left_of_a_cluster_that_ran_pods() {
    let _turn = turn();
    let before = inventory();
    succeed(&mut xtask(&["up", "--nodes", "2"]));
    run_pods();
    let during = inventory();
    let traces = String::from_utf8(xtask(&["traces"]).output().unwrap().stdout).unwrap();
    succeed(&mut xtask(&["down"]));
    let after = inventory();

    // A kind that is not seen while the cluster runs would not be missed later.
    for kind in [
        "process",
        "port",
        "mount",
        "link",
        "namespace",
        "table",
        "chain",
        "cgroup",
        "path",
    ] {
        let is_new = |item: &&String| item.starts_with(kind) && !before.contains(*item);
        assert!(
            during.iter().any(|item| is_new(&item)),
            "the inventory sees no new {kind}"
        );
    }
    for kind in [
        "process", "mount", "link", "table", "chain", "cgroup", "path",
    ] {
        assert!(
            traces.lines().any(|line| line.starts_with(kind)),
            "`traces` sees no {kind}"
        );
    }
    assert_same(&before, &after);
}

#[test]
#[ignore = "changes the machine: needs root and takes a minute"]
fn killed_up_is_undone_by_down_and_completed_by_the_next_up() {
    let _turn = turn();
    let before = inventory();
    for step in ["network", "API server", "controllers"] {
        kill_up_after(step);
        assert_ne!(
            inventory(),
            before,
            "`up` made nothing before it was killed"
        );
        succeed(&mut xtask(&["down"]));
        assert_same(&before, &inventory());
    }
    kill_up_after("controllers");
    succeed(&mut xtask(&["up", "--nodes", "1"]));
    succeed(&mut xtask(&["status"]));
    succeed(&mut xtask(&["down"]));
    assert_same(&before, &inventory());
}

#[test]
#[ignore = "changes the machine: needs root and takes a minute"]
fn two_ups_at_once_make_one_cluster() {
    let _turn = turn();
    let before = inventory();
    let first = xtask(&["up", "--nodes", "1"]).spawn().unwrap();
    let second = xtask(&["up", "--nodes", "1"]).spawn().unwrap();
    let outputs = [first, second].map(|child| child.wait_with_output().unwrap());
    for output in &outputs {
        assert!(output.status.success(), "{}", said(output));
    }
    let found = outputs
        .iter()
        .filter(|output| said(output).contains("up already"))
        .count();
    assert_eq!(found, 1);
    succeed(&mut xtask(&["down"]));
    assert_same(&before, &inventory());
}

#[test]
fn another_cluster_is_left_alone() {
    for action in ["up", "down", "status"] {
        let mut xtask = xtask(&[action]);
        let output = xtask
            .env("METAPARTICLE_TEST_KUBECONFIG", "/elsewhere/config")
            .output()
            .unwrap();
        assert!(output.status.success());
        assert!(
            said(&output).contains("/elsewhere/config"),
            "{}",
            said(&output)
        );
    }
}

/// One test at a time: there is one such cluster on a machine.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let home = Path::new("/var/lib/metaparticle-test");
    assert!(!home.exists(), "run `cargo xtask cluster down` first");
    turn
}

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .arg("cluster")
        .args(arguments)
        .env_remove("METAPARTICLE_TEST_KUBECONFIG");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Kills `up` when it says that it begins a step.
fn kill_up_after(step: &str) {
    let mut child = xtask(&["up", "--nodes", "1"]).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let reached = lines
        .map_while(Result::ok)
        .any(|line| line.starts_with(step));
    assert!(reached, "`up` never said {step:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Two pods, one a node, with a volume each.
fn run_pods() {
    let pods = r#"{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "trace"},
        "spec": {"selector": {"matchLabels": {"app": "trace"}}, "template": {
            "metadata": {"labels": {"app": "trace"}},
            "spec": {"containers": [{"name": "pause", "image": "metaparticle.test/pause:1",
                "imagePullPolicy": "Never", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
                "volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]}}}}"#;
    let file = tempfile_with(pods);
    succeed(&mut kubectl(&["apply", "--filename", &file]));
    // Not `rollout status`: it is content with no pods while no node is known.
    let both = "--for=jsonpath={.status.numberReady}=2";
    succeed(&mut kubectl(&[
        "wait",
        both,
        "daemonset/trace",
        "--timeout=60s",
    ]));
    fs::remove_file(file).unwrap();
}

fn tempfile_with(text: &str) -> String {
    let path = std::env::temp_dir().join(format!("xtask-cluster-{}.json", std::process::id()));
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn kubectl(arguments: &[&str]) -> Command {
    let home = "/var/lib/metaparticle-test";
    let mut command = Command::new(format!("{home}/bin/kubectl"));
    command
        .args(["--kubeconfig", &format!("{home}/kubeconfig")])
        .args(arguments);
    command
}

#[track_caller]
fn assert_same(before: &BTreeSet<String>, after: &BTreeSet<String>) {
    let difference: Vec<_> = before.symmetric_difference(after).collect();
    assert!(difference.is_empty(), "not as before: {difference:#?}");
}

/// What a cluster leaves on a machine, told without the code under test.
fn inventory() -> BTreeSet<String> {
    let all = [
        processes(),
        mounts(),
        sockets(),
        links_and_rules(),
        cgroups(),
        paths(),
        settings(),
    ];
    all.into_iter()
        .flatten()
        .map(|(kind, name)| format!("{kind} {name}"))
        .collect()
}

type Items = Vec<(&'static str, String)>;

/// The programs of a cluster, whoever started them, and all network namespaces.
fn processes() -> Items {
    let programs = [
        "containerd",
        "runc",
        "docker-registry",
        "kubernetes",
        "coredns",
        "pause",
    ];
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let Ok(program) = fs::read_link(path.join("exe")) else {
            continue;
        };
        if let Ok(namespace) = fs::read_link(path.join("ns/net")) {
            all.push(("namespace", namespace.display().to_string()));
        }
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if programs.iter().any(|one| name.starts_with(one)) {
            all.push(("process", format!("{name} {}", path.display())));
        }
    }
    all
}

fn mounts() -> Items {
    let point = |line: &String| ("mount", line.split(' ').nth(4).unwrap().to_owned());
    lines("/proc/self/mountinfo").iter().map(point).collect()
}

/// The cluster's ports that somebody listens on, and container runtimes' sockets.
fn sockets() -> Items {
    let ports = [
        53, 2379, 2380, 5000, 6443, 8181, 10248, 10249, 10250, 10256, 10348,
    ];
    let mut all = Vec::new();
    for line in [lines("/proc/net/tcp"), lines("/proc/net/tcp6")].concat() {
        let words: Vec<_> = line.split_whitespace().collect();
        let (_, port) = words[1].rsplit_once(':').unwrap_or_default();
        let port = u16::from_str_radix(port, 16).unwrap_or_default();
        if words[3] == "0A" && ports.contains(&port) {
            all.push(("port", port.to_string()));
        }
    }
    for line in lines("/proc/net/unix") {
        let path = line.split_whitespace().nth(7).unwrap_or_default();
        if path.contains("containerd") {
            all.push(("socket", path.to_owned()));
        }
    }
    all
}

fn links_and_rules() -> Items {
    let links = names("/sys/class/net")
        .into_iter()
        .map(|name| ("link", name));
    let rules = Command::new("nft").args(["list", "ruleset"]).output();
    let rules = rules.map(|output| said(&output)).unwrap_or_default();
    let rules = rules
        .lines()
        .map(str::trim)
        .filter_map(|line| match line.split(' ').next() {
            Some("table") => Some(("table", line.to_owned())),
            Some("chain") => Some(("chain", line.to_owned())),
            _ => None,
        });
    links.chain(rules).collect()
}

fn cgroups() -> Items {
    let mut all = Vec::new();
    let mut open = vec!["/sys/fs/cgroup".into()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                all.push(("cgroup", entry.path().display().to_string()));
                open.push(entry.path());
            }
        }
    }
    all
}

fn paths() -> Items {
    let folders = [
        "/",
        "/etc",
        "/opt",
        "/run",
        "/run/netns",
        "/var/lib",
        "/var/log",
    ];
    let inside = |folder: &'static str| {
        names(folder)
            .into_iter()
            .map(move |name| ("path", format!("{folder}/{name}")))
    };
    folders.into_iter().flat_map(inside).collect()
}

/// The kernel's settings but for those that change by themselves.
fn settings() -> Items {
    let folders = [
        "kernel",
        "kernel/keys",
        "vm",
        "net/ipv4",
        "net/ipv4/conf/all",
        "net/bridge",
        "net/netfilter",
    ];
    let mut all = Vec::new();
    for folder in folders.map(|folder| format!("/proc/sys/{folder}")) {
        for name in names(&folder) {
            let changes = ["ns_last_pid", "random", "count", "pty"];
            let path = format!("{folder}/{name}");
            if let Ok(value) = fs::read_to_string(&path)
                && !changes.iter().any(|word| name.contains(word))
            {
                all.push(("setting", format!("{path} {}", value.trim())));
            }
        }
    }
    all
}

fn lines(path: &str) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let heading = usize::from(path.starts_with("/proc/net"));
    text.lines().skip(heading).map(str::to_owned).collect()
}

fn names(folder: &str) -> Vec<String> {
    let all = fs::read_dir(folder).into_iter().flatten().flatten();
    all.map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}
