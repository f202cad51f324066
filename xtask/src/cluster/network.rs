//! The bridge of all nodes and pods, the kernel's forwarding, and the rule that
//! keeps other machines away from the API server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{Error, file};
use super::layout::{API_PORT, BRIDGE, NFT_TABLE, Node};
use super::machine;
use super::state::State;
use crate::command;

/// What the kernel must do: forward between pods and nodes, and let services
/// work between two pods on one bridge.
const SETTINGS: [&str; 2] = ["net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"];

/// Creates the bridge with all nodes' addresses.
///
/// # Errors
/// When a command fails or the state cannot be written.
pub(super) fn create(state: &mut State) -> Result<(), Error> {
    // Its own hardware address: else the bridge takes those of its pods, in turn.
    command::run(
        "ip",
        [
            "link",
            "add",
            BRIDGE,
            "address",
            "02:00:0a:f4:00:01",
            "type",
            "bridge",
        ],
    )?;
    for node in Node::all(state.nodes) {
        let address = format!("{}/24", node.address());
        command::run("ip", ["address", "add", &address, "dev", BRIDGE])?;
    }
    command::run("ip", ["link", "set", BRIDGE, "up"])?;
    close_to_other_machines()?;
    if !setting(SETTINGS[1]).exists() {
        command::run("modprobe", ["br_netfilter"])?;
    }
    for name in SETTINGS {
        let path = setting(name);
        let before = fs::read_to_string(&path).map_err(file("read", &path))?;
        state
            .settings
            .entry(name.to_owned())
            .or_insert_with(|| before.trim().to_owned());
    }
    state.save()?;
    for name in SETTINGS {
        set(name, "1")?;
    }
    Ok(())
}

/// Removes the bridge, what is on it, and the cluster's tables; says what
/// failed.
pub(super) fn remove() -> Vec<Error> {
    let mut commands: Vec<Command> = Vec::new();
    for trace in machine::everything()
        .iter()
        .filter(|trace| machine::is_ours(trace))
    {
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

/// Puts the kernel's settings back; says what failed.
pub(super) fn restore(settings: &BTreeMap<String, String>) -> Vec<Error> {
    settings
        .iter()
        .filter_map(|(name, value)| set(name, value).err())
        .collect()
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

fn setting(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}

fn set(name: &str, value: &str) -> Result<(), Error> {
    let path = setting(name);
    fs::write(&path, value).map_err(file("write", path))
}
