//! Node.

use serde_json::Value;

use super::{Rules, edit};

pub(super) const RULES: Rules = Rules {
    default,
    renamed: true,
    ..Rules::PLAIN
};

fn default(object: &mut Value) {
    edit::slot(object, "spec");
    let status = edit::slot(object, "status");
    if let Some(capacity) = edit::present(status, "capacity") {
        let capacity = capacity.clone();
        edit::absent(status, "allocatable", capacity);
    }
    let endpoints = edit::slot(status, "daemonEndpoints");
    edit::absent(edit::slot(endpoints, "kubeletEndpoint"), "Port", 0);
    let info = edit::slot(status, "nodeInfo");
    for field in [
        "architecture",
        "bootID",
        "containerRuntimeVersion",
        "kernelVersion",
        "kubeProxyVersion",
        "kubeletVersion",
        "machineID",
        "operatingSystem",
        "osImage",
        "systemUUID",
    ] {
        edit::absent(info, field, "");
    }
}
