//! Brings the cluster up: nothing to do if it runs, otherwise from the start,
//! after whatever an interrupted run has left is removed.

use std::fs;

use super::error::{Error, file};
use super::layout::{Node, home};
use super::state::{Lock, State};
use super::{
    certificates, cgroups, containerd, control_plane, describe, down, kubelet, machine, network,
    pause, prerequisites, programs, registry, say, settings,
};
use crate::clock::uptime;
use crate::{debian, terminal};

/// Brings up a cluster of so many nodes.
///
/// # Errors
/// When the machine lacks something, or a step fails; `up` can be run again.
pub(super) fn up(nodes: u8) -> Result<(), Error> {
    let start = uptime();
    prerequisites::check()?;
    let _lock = Lock::take()?;
    let earlier = State::load()?;
    if let Some(state) = earlier.as_ref().filter(|state| runs(state)) {
        if state.nodes != nodes {
            return Err(Error::OtherSize {
                running: state.nodes,
                asked: nodes,
            });
        }
        terminal::step("the test cluster is up already");
        say(&describe(state), false);
        return Ok(());
    }
    debian::install(&programs::PACKAGES)?;
    let kubernetes = programs::KUBERNETES.build()?;
    let coredns = programs::COREDNS.build()?;
    if !machine::own().is_empty() {
        terminal::step("removing what an earlier run has left");
        down::remove(earlier.as_ref())?;
    }
    prerequisites::check_free(nodes)?;

    let mut state = State {
        nodes,
        settings: settings::now(),
        before: machine::comparable(),
        ..State::default()
    };
    state.save()?;
    fs::create_dir_all(home("logs")).map_err(file("create", home("logs")))?;
    terminal::step("network, certificates, registry and container runtimes");
    network::create(nodes)?;
    cgroups::create(nodes)?;
    control_plane::link_programs(&kubernetes, &coredns)?;
    for node in Node::all(nodes) {
        containerd::start(node, &mut state)?;
    }
    certificates::create(nodes)?;
    terminal::step("API server");
    control_plane::start_api_server(&mut state)?;
    terminal::step("controllers and nodes");
    control_plane::start_controllers(&mut state)?;
    registry::start(&mut state)?;
    let image = pause::make()?;
    for node in Node::all(nodes) {
        containerd::finish(node, &state, &image)?;
        kubelet::start(node, &mut state)?;
    }
    for node in Node::all(nodes) {
        kubelet::finish(node, &state)?;
    }
    control_plane::finish(&state)?;
    state.complete = true;
    state.save()?;
    let seconds = uptime().saturating_sub(start).as_secs();
    terminal::step(&format!("the test cluster is up after {seconds} s"));
    say(&describe(&state), false);
    Ok(())
}

/// Does all of it run?
fn runs(state: &State) -> bool {
    state.complete
        && state
            .processes
            .iter()
            .all(super::process::Process::is_running)
        && control_plane::ready_nodes() == usize::from(state.nodes)
}
