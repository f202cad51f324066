//! What is on this machine, of the kinds that a cluster creates, and which of
//! it is the cluster's. `down` removes what this finds and then asks again;
//! the same survey taken before `up` tells whether anything else was left.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{BRIDGE, CGROUP, HOME, NFT_TABLE, RUN};
use super::process::{self, Process};
use crate::command;

/// One thing on the machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Trace {
    /// What it is.
    pub(super) kind: Kind,
    /// Which one.
    pub(super) name: String,
}

/// What a cluster creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// A process, shims and processes in pods included.
    Process,
    /// A mount point, those that keep a network namespace included.
    Mount,
    /// A bridge, or a veth with the bridge it is on.
    Link,
    /// An nft table.
    Table,
    /// A chain in an nft table; iptables' chains are these too.
    Chain,
    /// A cgroup.
    Cgroup,
    /// A file or folder outside the cluster's own folders, or one of these.
    Path,
}

impl Trace {
    /// A thing and its name.
    pub(super) fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }
}

impl std::fmt::Display for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = format!("{:?}", self.kind).to_lowercase();
        write!(f, "{kind} {}", self.name)
    }
}

/// What of [`everything`] is worth a comparison of before and after: all but
/// what other programs make at any time, and what the cluster's name is on.
pub(super) fn comparable() -> BTreeSet<Trace> {
    let is_steady = |kind| !matches!(kind, Kind::Process | Kind::Mount | Kind::Cgroup);
    everything()
        .into_iter()
        .filter(|trace| is_steady(trace.kind))
        .collect()
}

/// Everything on the machine of these kinds. Of processes only the cluster's:
/// others come and go.
pub(super) fn everything() -> BTreeSet<Trace> {
    let mounts = mounts().into_iter().map(|path| (Kind::Mount, text(&path)));
    let cgroups = cgroups()
        .into_iter()
        .map(|path| (Kind::Cgroup, text(&path)));
    let paths = paths().into_iter().map(|path| (Kind::Path, text(&path)));
    let links = links().into_iter().map(|name| (Kind::Link, name));
    let processes = processes()
        .into_iter()
        .map(|one| (Kind::Process, format!("{} {}", one.pid, one.name)));
    mounts
        .chain(cgroups)
        .chain(paths)
        .chain(links)
        .chain(tables())
        .chain(processes)
        .map(|(kind, name)| Trace { kind, name })
        .collect()
}

/// What of [`everything`] is the cluster's.
pub(super) fn own() -> BTreeSet<Trace> {
    own_of(everything())
}

/// The tables that kube-proxy makes. They are the cluster's only where its own
/// table is, which is made first and removed last: another Kubernetes node has
/// them too.
pub(super) const PROXY_TABLES: [&str; 2] = ["ip kube-proxy", "ip6 kube-proxy"];

fn own_of(all: BTreeSet<Trace>) -> BTreeSet<Trace> {
    let own_table = format!("inet {NFT_TABLE}");
    let has_proxy = all.contains(&Trace::new(Kind::Table, own_table.as_str()));
    let is_of = |name: &str, table: &str| {
        name.strip_prefix(table)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let is_own = |trace: &Trace| match trace.kind {
        Kind::Process => true,
        Kind::Mount => is_below_own_folder(Path::new(&trace.name)),
        Kind::Link => trace.name == BRIDGE || trace.name.ends_with(&format!(" on {BRIDGE}")),
        Kind::Table | Kind::Chain => {
            is_of(&trace.name, &own_table)
                || has_proxy && PROXY_TABLES.iter().any(|table| is_of(&trace.name, table))
        }
        Kind::Cgroup => Path::new(&trace.name).iter().any(|part| part == CGROUP),
        Kind::Path => is_own_path(Path::new(&trace.name)),
    };
    all.into_iter().filter(is_own).collect()
}

/// The cluster's processes: those that carry its mark and those in its cgroups.
pub(super) fn processes() -> Vec<Process> {
    let mut all = process::marked();
    for folder in own_cgroups() {
        let numbers = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        for pid in numbers.lines().filter_map(|line| line.parse().ok()) {
            if all.iter().all(|known| known.pid != pid) {
                all.extend(Process::now(process::command_name(pid), pid));
            }
        }
    }
    all
}

/// The cluster's mounts, inner ones first.
pub(super) fn own_mounts() -> Vec<PathBuf> {
    let mut own: Vec<_> = mounts()
        .into_iter()
        .filter(|path| is_below_own_folder(path))
        .collect();
    own.reverse();
    own
}

/// The cluster's cgroups, inner ones first.
pub(super) fn own_cgroups() -> Vec<PathBuf> {
    let mut own: Vec<_> = cgroups()
        .into_iter()
        .filter(|path| path.iter().any(|part| part == CGROUP))
        .collect();
    own.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    own
}

/// The roots of the mounted cgroup hierarchies: one for version 2, one a
/// controller for version 1.
pub(super) fn cgroup_roots() -> Vec<PathBuf> {
    let all = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    all.lines()
        .filter_map(parse_mount)
        .filter(|mount| mount.is_cgroup)
        .map(|mount| mount.path)
        .collect()
}

/// What programs of the cluster leave in places that are not the cluster's,
/// and the cluster's own folders.
pub(super) fn own_paths() -> Vec<PathBuf> {
    paths()
        .into_iter()
        .filter(|path| is_own_path(path))
        .collect()
}

/// The folders that programs of the cluster use though they were told others.
pub(super) const FOREIGN_FOLDERS: [&str; 8] = [
    "/var/lib/kubelet",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/log/containers",
    "/var/log/pods",
    "/run/containerd",
    "/run/runc",
    "/etc/cni",
];

/// Those in which single files may be the cluster's.
const SHARED_FOLDERS: [&str; 2] = ["/var/lib/cni/results", "/var/log/containers"];

fn is_below_own_folder(path: &Path) -> bool {
    path.starts_with(HOME) || path.starts_with(RUN)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn mounts() -> Vec<PathBuf> {
    let all = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    all.lines()
        .filter_map(parse_mount)
        .map(|mount| mount.path)
        .collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Mount {
    path: PathBuf,
    is_cgroup: bool,
}

/// One line of `/proc/self/mountinfo`.
fn parse_mount(line: &str) -> Option<Mount> {
    let (place, source) = line.split_once(" - ")?;
    let path = place.split(' ').nth(4)?;
    let path = path.replace("\\040", " ").replace("\\134", "\\");
    Some(Mount {
        path: path.into(),
        is_cgroup: matches!(source.split(' ').next()?, "cgroup" | "cgroup2"),
    })
}

fn cgroups() -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut open = cgroup_roots();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                all.push(entry.path());
                open.push(entry.path());
            }
        }
    }
    all
}

/// Each link's name, with the bridge it is on if it is on one.
fn links() -> Vec<String> {
    let all = fs::read_dir("/sys/class/net")
        .into_iter()
        .flatten()
        .flatten();
    all.map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        match fs::read_link(entry.path().join("master")) {
            Ok(bridge) => {
                let bridge = bridge.file_name().unwrap_or_default().to_string_lossy();
                format!("{name} on {bridge}")
            }
            Err(_) => name,
        }
    })
    .collect()
}

/// nft's tables and chains, `family table` and `family table chain`.
fn tables() -> Vec<(Kind, String)> {
    let Ok(listing) = command::run("nft", ["-j", "list", "chains"]) else {
        return Vec::new();
    };
    let tables = command::run("nft", ["-j", "list", "tables"]).unwrap_or_default();
    [listing, tables]
        .iter()
        .flat_map(|text| parse_nft(text))
        .collect()
}

/// The chains that drop what is forwarded unless a rule of theirs lets it pass.
pub(super) fn closed_chains() -> Vec<String> {
    let listing = command::run("nft", ["-j", "list", "chains"]).unwrap_or_default();
    parse_closed_chains(&listing)
}

fn parse_closed_chains(text: &str) -> Vec<String> {
    let items = nft_items(text);
    let chains = items.iter().map(|item| &item["chain"]);
    let closed = chains.filter(|chain| chain["hook"] == "forward" && chain["policy"] == "drop");
    closed
        .map(|chain| {
            format!("{} {} {}", chain["family"], chain["table"], chain["name"]).replace('"', "")
        })
        .collect()
}

fn nft_items(text: &str) -> Vec<serde_json::Value> {
    let listing: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    listing["nftables"].as_array().cloned().unwrap_or_default()
}

fn parse_nft(text: &str) -> Vec<(Kind, String)> {
    let items = nft_items(text);
    let word =
        |item: &serde_json::Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let name = |item: &serde_json::Value| {
        if let Some(table) = item.get("table") {
            let name = format!("{} {}", word(table, "family"), word(table, "name"));
            return Some((Kind::Table, name));
        }
        let chain = item.get("chain")?;
        let (family, table) = (word(chain, "family"), word(chain, "table"));
        Some((
            Kind::Chain,
            format!("{family} {table} {}", word(chain, "name")),
        ))
    };
    items.iter().filter_map(name).collect()
}

/// The cluster's folders, those that its programs share with others of their
/// kind, and what is in these.
fn paths() -> Vec<PathBuf> {
    let folders = [HOME, RUN]
        .into_iter()
        .chain(FOREIGN_FOLDERS)
        .map(PathBuf::from);
    let shared = SHARED_FOLDERS.iter().flat_map(fs::read_dir);
    let files = shared.flatten().flatten().map(|entry| entry.path());
    folders
        .filter(|folder| folder.exists())
        .chain(files)
        .collect()
}

/// A link into the cluster's folders, or a note of the container network about
/// a namespace there.
fn is_own_path(path: &Path) -> bool {
    if is_below_own_folder(path) {
        return true;
    }
    if let Ok(target) = fs::read_link(path) {
        return is_below_own_folder(&target);
    }
    path.starts_with("/var/lib/cni/results")
        && fs::read_to_string(path).is_ok_and(|note| note.contains(RUN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_point_is_read_with_its_blanks() {
        let line = r"36 35 98:0 / /run/a\040b rw,noatime shared:1 - cgroup2 none rw";
        let expected = Mount {
            path: "/run/a b".into(),
            is_cgroup: true,
        };
        assert_eq!(parse_mount(line), Some(expected));
    }

    #[test]
    fn nft_tables_and_chains_are_read() {
        let text = r#"{"nftables": [{"metainfo": {"version": "1"}},
            {"table": {"family": "ip", "name": "kube-proxy", "handle": 1}},
            {"chain": {"family": "ip", "table": "nat", "name": "KUBE-MARK", "handle": 2}}]}"#;
        let expected = [
            (Kind::Table, "ip kube-proxy".to_owned()),
            (Kind::Chain, "ip nat KUBE-MARK".to_owned()),
        ];
        assert_eq!(parse_nft(text), expected);
    }

    #[test]
    fn chain_that_drops_what_is_forwarded_is_found() {
        let text = r#"{"nftables": [
            {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}},
            {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "drop"}},
            {"chain": {"family": "ip", "table": "other", "name": "FORWARD", "hook": "forward", "policy": "accept"}}]}"#;
        assert_eq!(parse_closed_chains(text), ["ip filter FORWARD"]);
    }

    #[test]
    fn only_the_clusters_things_are_its_own() {
        let own = [
            (Kind::Mount, "/run/metaparticle-test/node-1/netns/cni-1"),
            (Kind::Link, "mp-test0"),
            (Kind::Link, "veth1 on mp-test0"),
            (Kind::Table, "inet metaparticle-test"),
            (Kind::Table, "ip kube-proxy"),
            (Kind::Chain, "ip kube-proxy services"),
            (Kind::Chain, "inet metaparticle-test input"),
            (Kind::Cgroup, "/sys/fs/cgroup/pids/metaparticle-test/node-1"),
            (Kind::Path, "/var/lib/metaparticle-test"),
        ];
        let others = [
            (Kind::Mount, "/run/metaparticle-testing"),
            (Kind::Link, "veth1 on docker0"),
            (Kind::Table, "inet kube-proxy"),
            (Kind::Table, "ip kube-proxying"),
            (Kind::Chain, "ip nat POSTROUTING"),
            (Kind::Cgroup, "/sys/fs/cgroup/pids/kubepods"),
            (Kind::Path, "/var/lib/cni"),
        ];
        let traces = |all: &[(Kind, &str)]| -> BTreeSet<Trace> {
            all.iter()
                .map(|(kind, name)| Trace::new(*kind, *name))
                .collect()
        };
        let all = traces(&own).into_iter().chain(traces(&others)).collect();
        assert_eq!(own_of(all), traces(&own));
    }

    #[test]
    fn tables_of_another_kubernetes_are_not_the_clusters() {
        let other = ["ip kube-proxy", "ip6 kube-proxy"].map(|name| Trace::new(Kind::Table, name));
        assert_eq!(own_of(other.into()), BTreeSet::new());
    }
}
