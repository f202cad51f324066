//! The node agent. Two of them live on one machine with folders, cgroup and
//! address of their own.

use std::time::Duration;

use super::certificates::file;
use super::error::Error;
use super::layout::{Node, home};
use super::state::{self, State};
use super::{kubeconfig, process, wait};

/// Starts the node's kubelet.
///
/// # Errors
/// When a file cannot be written or the kubelet cannot be started.
pub(super) fn start(node: Node, state: &mut State) -> Result<(), Error> {
    let identity = node.home("kubeconfig");
    kubeconfig::write(&identity, &node.name())?;
    let configuration = node.home("kubelet.json");
    state::write(&configuration, &configure(node).to_string())?;
    let arguments = [
        format!("--config={}", configuration.display()),
        format!("--kubeconfig={}", identity.display()),
        format!("--root-dir={}", node.home("kubelet").display()),
        format!("--cert-dir={}", node.home("kubelet/pki").display()),
        format!("--hostname-override={}", node.name()),
        format!("--node-ip={}", node.address()),
    ];
    let name = format!("kubelet-{}", node.name());
    let arguments = arguments.iter().map(String::as_str);
    state.add(process::start(&name, &home("bin/kubelet"), arguments)?)
}

/// Waits until the node's kubelet says that it is well.
///
/// # Errors
/// When it does not in time.
pub(super) fn finish(node: Node, state: &State) -> Result<(), Error> {
    let address = format!("127.0.0.1:{}", node.health_port());
    let name = format!("the kubelet of {}", node.name());
    wait::until(&name, Duration::from_secs(60), state, || {
        wait::answers(&address, "/healthz")
    })
}

fn configure(node: Node) -> serde_json::Value {
    let server = |end| file(&format!("{}-server.{end}", node.name()));
    serde_json::json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address(),
        "port": 10250,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": node.health_port(),
        "tlsCertFile": server("crt"),
        "tlsPrivateKeyFile": server("key"),
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": file("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [Node::first().address()],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "containerRuntimeEndpoint": format!("unix://{}", node.containerd_socket().display()),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup(),
        "failCgroupV1": false,
        "enforceNodeAllocatable": [],
        // Folders that would otherwise be the machine's.
        "podLogsDir": node.home("pod-logs"),
        "volumePluginDir": node.home("volume-plugins"),
        "makeIPTablesUtilChains": false,
        // A disk that others fill is not the tests' business; under pressure the pause image would be collected, too.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "200Mi",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "200Mi",
            "imagefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "failSwapOn": false,
        "serializeImagePulls": false,
        "registryPullQPS": 0,
        "syncFrequency": "10s",
        "fileCheckFrequency": "0s",
        "shutdownGracePeriod": "0s",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_names_only_folders_of_the_node() {
        let node = Node::all(2).last().unwrap();
        let text = configure(node).to_string();
        let folders = text.split('"').filter(|word| word.contains("/var/lib"));
        let shared = home("certificates");
        for folder in folders {
            let is_own = folder.starts_with(&*node.home("").to_string_lossy());
            assert!(
                is_own || folder.starts_with(&*shared.to_string_lossy()),
                "{folder}"
            );
        }
        assert!(!text.contains("10.244.0.1\",\"port"), "{text}");
        assert!(
            text.contains("\"cgroupRoot\":\"/metaparticle-test/node-2\""),
            "{text}"
        );
    }
}
