//! The bridge of all nodes and pods, and the rule that keeps other machines away
//! from the API server. What the kernel has to do for pods is asked of this
//! bridge alone, so no setting of the machine's network changes.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::error::{Error, file};
use super::layout::{API_PORT, BRIDGE, NFT_TABLE, Node};
use super::machine;
use crate::command;

/// Creates the bridge with the addresses of that many nodes.
///
/// # Errors
/// When a command fails or a setting cannot be made.
pub(super) fn create(nodes: u8) -> Result<(), Error> {
    // Its own hardware address: else the bridge takes those of its pods, in turn.
    let address = "02:00:0a:f4:00:01";
    command::run(
        "ip",
        ["link", "add", BRIDGE, "address", address, "type", "bridge"],
    )?;
    for node in Node::all(nodes) {
        let address = format!("{}/24", node.address());
        command::run("ip", ["address", "add", &address, "dev", BRIDGE])?;
    }
    // Forward what comes from pods, and see services in what goes from one pod
    // to another on the bridge.
    if !Path::new("/proc/sys/net/bridge").exists() {
        command::run("modprobe", ["br_netfilter"])?;
    }
    let forwarding = format!("/proc/sys/net/ipv4/conf/{BRIDGE}/forwarding");
    fs::write(&forwarding, "1").map_err(file("write", &forwarding))?;
    command::run(
        "ip",
        [
            "link",
            "set",
            BRIDGE,
            "type",
            "bridge",
            "nf_call_iptables",
            "1",
        ],
    )?;
    command::run("ip", ["link", "set", BRIDGE, "up"])?;
    close_to_other_machines()
}

/// Removes the bridge, what is on it, and the cluster's tables; says what
/// failed.
pub(super) fn remove() -> Vec<Error> {
    let mut commands: Vec<Command> = Vec::new();
    // Backwards: the cluster's own table last, because it tells whose the others
    // are.
    for trace in machine::own().iter().rev() {
        let words = trace.name.split(' ').collect::<Vec<_>>();
        match trace.kind {
            machine::Kind::Link => {
                commands.push(command::command("ip", ["link", "delete", words[0]]));
            }
            machine::Kind::Table => {
                commands.push(command::command(
                    "nft",
                    ["delete", "table", words[0], words[1]],
                ));
            }
            _ => {}
        }
    }
    let run = |command: &mut Command| command::output(command).err().map(Error::from);
    commands.iter_mut().filter_map(run).collect()
}

/// The API server listens on every address, because both loopback and pods
/// have to reach it.
fn close_to_other_machines() -> Result<(), Error> {
    let rules = format!(
        "add table inet {NFT_TABLE}; \
         add chain inet {NFT_TABLE} input {{ type filter hook input priority 0; }}; \
         add rule inet {NFT_TABLE} input iifname != {{ \"lo\", \"{BRIDGE}\" }} \
         tcp dport {API_PORT} drop;"
    );
    command::run("nft", [rules.as_str()])?;
    Ok(())
}
