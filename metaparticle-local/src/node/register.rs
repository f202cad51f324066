//! The Node object.

use std::{collections::BTreeMap, fs, thread};

use serde_json::{Value, json};

use super::{Inner, pod::status};
use crate::api::resource;

/// As the kubelet's default.
const MOST_PODS: u32 = 110;

/// What this machine has.
pub(super) fn capacity() -> BTreeMap<String, String> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory.lines().find_map(|line| {
        let kibibytes = line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?;
        Some(format!("{}Ki", kibibytes.trim()))
    });
    let mut capacity = BTreeMap::from([
        ("cpu".to_owned(), processors.to_string()),
        ("pods".to_owned(), MOST_PODS.to_string()),
    ]);
    capacity.extend(total.map(|total| ("memory".to_owned(), total)));
    capacity
}

/// Creates the Node and says that it is ready.
pub(super) fn register(node: &Inner) {
    let name = node.config.name.as_str();
    let (system, architecture) = (system(), architecture());
    let labels = json!({
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": system, "kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": system, "beta.kubernetes.io/arch": architecture,
    });
    let object = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {},
    });
    let created = node.api.create(&resource::NODE, "", object, "kubelet");
    let written = created.and_then(|_| {
        let status = status_of(node);
        let write = |object: &mut Value| object["status"] = status.clone();
        node.api
            .update_status(&resource::NODE, "", name, "kubelet", write)
    });
    if let Err(failure) = written {
        tracing::warn!(failure.message, "the Node was not registered");
    }
}

fn status_of(node: &Inner) -> Value {
    let now = status::time(node.api.now());
    let condition = |kind: &str, holds: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": holds, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    let version = concat!("v1.36.0-metaparticle.", env!("CARGO_PKG_VERSION"));
    json!({
        "capacity": node.capacity,
        "allocatable": node.capacity,
        "addresses": [
            {"type": "InternalIP", "address": node.host_ip()},
            {"type": "Hostname", "address": node.config.name},
        ],
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        "nodeInfo": {
            "architecture": architecture(), "operatingSystem": system(),
            "containerRuntimeVersion": concat!("process://", env!("CARGO_PKG_VERSION")),
            "kubeletVersion": version, "kubeProxyVersion": "",
            "kernelVersion": kernel(), "osImage": std::env::consts::OS,
            "bootID": "", "machineID": "", "systemUUID": "",
        },
    })
}

/// As Go names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// As Go names it.
fn system() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}
