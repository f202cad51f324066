//! A container runtime a node, with folders, socket and network of its own.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::error::Error;
use super::layout::{BRIDGE, Node};
use super::state::{self, State};
use super::{pause, process, registry, wait};
use crate::command;

/// Starts the node's runtime.
///
/// # Errors
/// When it cannot be started.
pub(super) fn start(node: Node, state: &mut State) -> Result<(), Error> {
    let configuration = node.home("containerd.toml");
    state::write(&configuration, &configure(node))?;
    state::write(node.home("cni/10-bridge.conflist"), &network(node))?;
    let mirror = node
        .home("registries")
        .join(registry::address())
        .join("hosts.toml");
    let host = format!("http://{}", registry::address());
    state::write(
        mirror,
        &format!(
            "server = \"{host}\"\n[host.\"{host}\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
        ),
    )?;
    let name = format!("containerd-{}", node.name());
    let arguments = ["--config", &configuration.to_string_lossy()];
    state.add(process::start(
        &name,
        Path::new("/usr/bin/containerd"),
        arguments,
    )?)
}

/// Waits for the node's runtime and gives it the image of pods' sandboxes.
///
/// # Errors
/// When the runtime does not come up or refuses the image.
pub(super) fn finish(node: Node, state: &State, image: &Path) -> Result<(), Error> {
    let socket = node.containerd_socket().to_string_lossy().into_owned();
    let name = format!("the container runtime of {}", node.name());
    wait::until(&name, Duration::from_secs(20), state, || {
        command::run("ctr", ["--address", &socket, "version"]).is_ok()
    })?;
    let image = image.to_string_lossy();
    let arguments = [
        "--address",
        &socket,
        "--namespace",
        "k8s.io",
        "images",
        "import",
        &image,
    ];
    command::run("ctr", arguments)?;
    Ok(())
}

/// The sockets of the node's shims, which they make in a folder shared with
/// every other containerd of the machine.
pub(super) fn shim_sockets(node: Node) -> Vec<String> {
    let tasks = node.run("containerd/io.containerd.runtime.v2.task/k8s.io");
    let tasks = fs::read_dir(tasks).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("address")).ok())
        .map(|address| address.trim_start_matches("unix://").to_owned())
        .collect()
}

fn configure(node: Node) -> String {
    let path = |path: std::path::PathBuf| format!("\"{}\"", path.display());
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    format!(
        "version = 2
root = {root}
state = {state}
disabled_plugins = [\"io.containerd.internal.v1.opt\"]
[grpc]
address = {socket}
[{cri}]
sandbox_image = \"{pause}\"
# Without CAP_SYS_RESOURCE no process may be made safer than this one is.
restrict_oom_score_adj = true
# Network namespaces in folders of ours, where `down` finds them.
netns_mounts_under_state_dir = true
# As later versions do by themselves: anybody may listen on port 80 in a pod.
enable_unprivileged_ports = true
enable_unprivileged_icmp = true
stream_server_address = \"127.0.0.1\"
stream_server_port = \"0\"
[{cri}.cni]
bin_dir = \"/usr/lib/cni\"
conf_dir = {cni}
[{cri}.registry]
config_path = {registries}
[{cri}.containerd.runtimes.runc]
runtime_type = \"io.containerd.runc.v2\"
[{cri}.containerd.runtimes.runc.options]
Root = {runc}
",
        root = path(node.home("containerd")),
        state = path(node.run("containerd")),
        socket = path(node.containerd_socket()),
        pause = pause::IMAGE,
        cni = path(node.home("cni")),
        registries = path(node.home("registries")),
        runc = path(node.run("runc")),
    )
}

/// Pods on the cluster's bridge; each node hands out addresses of its range. The
/// plugin is not told to make the bridge a gateway: it would take the address of
/// another node for a mistake.
fn network(node: Node) -> String {
    let configuration = serde_json::json!({
        "cniVersion": "1.0.0",
        "name": format!("metaparticle-test-{}", node.name()),
        "plugins": [{
            "type": "bridge",
            "bridge": BRIDGE,
                        "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "dataDir": node.home("addresses"),
                "ranges": [[{"subnet": node.pod_range(), "gateway": node.address()}]],
                "routes": [{"dst": "0.0.0.0/0", "gw": node.address()}],
            },
        }],
    });
    configuration.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_share_no_folder_or_socket() {
        let paths = |node| -> Vec<String> {
            let text = configure(node) + &network(node);
            let words = text.split('"').map(str::to_owned);
            words
                .filter(|word| word.starts_with("/var") || word.starts_with("/run"))
                .collect()
        };
        let nodes: Vec<_> = Node::all(2).map(paths).collect();
        assert_eq!(nodes[0].len(), 7);
        assert!(
            nodes[0].iter().all(|path| !nodes[1].contains(path)),
            "{nodes:?}"
        );
    }
}
