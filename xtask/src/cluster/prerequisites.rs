//! What `up` needs of the machine, asked before anything is changed, and all
//! that is missing said at once.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use rustix::process::geteuid;

use super::error::Error;
use super::layout::{Node, PORTS};
use super::machine::{self, Kind, Trace};
use super::programs::{self, COREDNS, KUBERNETES};
use crate::{command, debian, go};

/// What pods' limits need. `blkio` is called `io` in version 2.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// Asks what does not change between two runs.
///
/// # Errors
/// [`Error::Missing`] with everything that is missing.
pub(super) fn check() -> Result<(), Error> {
    let mut missing = Vec::from_iter(missing_root());
    missing.extend(missing_controllers(&mounted_controllers()));
    if !Path::new("/dev/kmsg").exists() {
        missing.push("/dev/kmsg, which the kubelet reads".to_owned());
    }
    if !has_overlay() {
        missing.push("the overlay file system (try `modprobe overlay`)".to_owned());
    }
    if !(KUBERNETES.is_built() && COREDNS.is_built()) {
        missing.extend(missing_go());
    }
    missing.extend(debian::obstacle(&programs::PACKAGES));
    fail_if_any(missing)
}

/// Asks for root alone.
///
/// # Errors
/// [`Error::Missing`] without it.
pub(super) fn check_root() -> Result<(), Error> {
    fail_if_any(Vec::from_iter(missing_root()))
}

/// Asks for what other programs may have taken: ports, addresses, tables, memory.
/// To be asked when no cluster of ours runs.
///
/// # Errors
/// [`Error::Missing`] with everything that is taken.
pub(super) fn check_free(nodes: u8) -> Result<(), Error> {
    let mut taken = Vec::from_iter(little_memory());
    let kubelets = Node::all(nodes)
        .skip(1)
        .map(|node| (node.health_port(), "a kubelet's health"));
    for (port, purpose) in PORTS.into_iter().chain(kubelets) {
        if TcpListener::bind(("127.0.0.1", port)).is_err() {
            taken.push(format!(
                "port {port}, for {purpose}: taken by {}",
                holder(port)
            ));
        }
    }
    let everything = machine::everything();
    for table in machine::PROXY_TABLES {
        if everything.contains(&Trace::new(Kind::Table, table)) {
            taken.push(format!(
                "nft table `{table}`: another Kubernetes node runs here"
            ));
        }
    }
    for chain in machine::closed_chains() {
        taken.push(format!(
            "forwarding between pods: nft chain `{chain}` drops it (Docker does that; \
             `iptables --policy FORWARD ACCEPT` opens it)"
        ));
    }
    let addresses = command::run("ip", ["-4", "route", "show", "table", "all"])?;
    taken.extend(taken_addresses(&addresses, nodes));
    fail_if_any(taken)
}

fn fail_if_any(missing: Vec<String>) -> Result<(), Error> {
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::Missing(missing))
    }
}

fn missing_root() -> Option<String> {
    let why = "root: mounts, namespaces, cgroups and a bridge are made (try `sudo -E`)";
    (!geteuid().is_root()).then(|| why.to_owned())
}

fn missing_controllers(mounted: &BTreeSet<String>) -> Option<String> {
    let missing: Vec<_> = CONTROLLERS
        .into_iter()
        .filter(|controller| !mounted.contains(*controller))
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "cgroup controllers mounted at /sys/fs/cgroup: {}",
            missing.join(", ")
        )
    })
}

/// Version 1 mounts a hierarchy a controller, with the controller's name among
/// its files; version 2 lists them in one.
fn mounted_controllers() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for root in machine::cgroup_roots() {
        if let Ok(list) = fs::read_to_string(root.join("cgroup.controllers")) {
            all.extend(list.split_whitespace().map(str::to_owned));
        } else if let Some(names) = root.file_name().and_then(|name| name.to_str()) {
            all.extend(names.split(',').map(str::to_owned));
        }
    }
    all
}

fn has_overlay() -> bool {
    let known = || {
        let all = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        all.lines()
            .any(|line| line.trim_start_matches("nodev").trim() == "overlay")
    };
    known() || (command::run("modprobe", ["overlay"]).is_ok() && known())
}

fn missing_go() -> Option<String> {
    let needed = KUBERNETES.go_version().max(COREDNS.go_version());
    let wanted = format!(
        "Go {}.{} or later, to build Kubernetes once",
        needed.0, needed.1
    );
    match command::run("go", ["env", "GOVERSION"]) {
        Err(_) => Some(format!("{wanted}: `go` does not run")),
        Ok(version) => (go::parse_version(&version) < Some(needed))
            .then(|| format!("{wanted}: `go` is {}", version.trim())),
    }
}

fn little_memory() -> Option<String> {
    let needed = 3 << 20;
    let all = fs::read_to_string("/proc/meminfo").ok()?;
    let line = all.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let free: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    (free < needed).then(|| format!("3 GiB of free memory: {} MiB are free", free >> 10))
}

/// Routes of others into the cluster's ranges.
fn taken_addresses(routes: &str, nodes: u8) -> Vec<String> {
    let ranges = Node::all(nodes)
        .map(|node| node.address().trim_end_matches('1').to_owned())
        .chain(["10.96.0.".to_owned()]);
    let used = |range: &String| routes.lines().find(|route| route.contains(range.as_str()));
    ranges
        .filter_map(|range| {
            Some(format!(
                "addresses {range}*: in use by `{}`",
                used(&range)?.trim()
            ))
        })
        .collect()
}

fn holder(port: u16) -> String {
    let filter = format!("sport = :{port}");
    let all = command::run("ss", ["-Hltnp", filter.as_str()]).unwrap_or_default();
    match all.split_once("users:") {
        Some((_, users)) => users.trim().to_owned(),
        None => "a program that cannot be seen from here".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_controllers_are_named() {
        let mounted = ["cpu", "memory", "pids"].map(str::to_owned).into();
        let said = missing_controllers(&mounted).unwrap();
        assert!(said.ends_with(": cpuset"), "{said}");
    }

    #[test]
    fn route_of_another_into_a_pod_range_is_named() {
        let routes = "default via 192.168.0.1 dev eth0\n10.244.1.0/24 dev flannel.1\n";
        assert_eq!(taken_addresses(routes, 1), Vec::<String>::new());
        let taken = taken_addresses(routes, 2);
        assert_eq!(taken.len(), 1);
        assert!(taken[0].contains("dev flannel.1"), "{taken:?}");
    }
}
