//! The kernel's settings that a kubelet insists on: remembered before the first
//! one starts, put back after the last one ended.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{Error, file};

/// What a kubelet writes when it starts.
const CHANGED: [&str; 6] = [
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
];

/// The settings as they are. One that this kernel lacks is left out.
pub(super) fn now() -> BTreeMap<String, String> {
    let value = |name: &str| fs::read_to_string(path(name)).ok();
    let all = CHANGED
        .iter()
        .filter_map(|name| Some((name.to_string(), value(name)?)));
    all.map(|(name, value)| (name, value.trim().to_owned()))
        .collect()
}

/// Puts back what differs; says what failed.
pub(super) fn restore(settings: &BTreeMap<String, String>) -> Vec<Error> {
    let now = now();
    let changed = settings
        .iter()
        .filter(|(name, value)| now.get(*name) != Some(*value));
    let write = |(name, value): (&String, &String)| {
        fs::write(path(name), value)
            .map_err(file("write", path(name)))
            .err()
    };
    changed.filter_map(write).collect()
}

fn path(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}
