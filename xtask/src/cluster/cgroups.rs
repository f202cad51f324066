//! A cgroup of each node for its pods, in every hierarchy that is mounted. The
//! machine's own mounts and limits stay as they are.

use std::fs;
use std::path::Path;

use super::error::{Error, file};
use super::layout::{CGROUP, Node};
use super::machine;

/// Creates the nodes' cgroups.
///
/// # Errors
/// When one cannot be created.
pub(super) fn create(nodes: u8) -> Result<(), Error> {
    for root in machine::cgroup_roots() {
        let all = root.join(CGROUP);
        add(&all)?;
        for node in Node::all(nodes) {
            add(&all.join(node.name()))?;
        }
    }
    Ok(())
}

/// Removes them; says what failed.
pub(super) fn remove() -> Vec<Error> {
    let all = machine::own_cgroups().into_iter();
    all.filter_map(|path| fs::remove_dir(&path).map_err(file("remove", &path)).err())
        .collect()
}

fn add(group: &Path) -> Result<(), Error> {
    fs::create_dir_all(group).map_err(file("create", group))?;
    let parent = group.parent().expect("a cgroup is below its root");
    // Version 1: a cpuset starts empty, and no process may enter an empty one.
    for list in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(value) = fs::read_to_string(parent.join(list))
            && group.join("cgroup.clone_children").exists()
        {
            fs::write(group.join(list), value.trim()).map_err(file("write", group.join(list)))?;
        }
    }
    // Version 2: what the group has is offered to the groups below it.
    if let Ok(controllers) = fs::read_to_string(group.join("cgroup.controllers")) {
        let offer = group.join("cgroup.subtree_control");
        for controller in controllers.split_whitespace() {
            fs::write(&offer, format!("+{controller}")).map_err(file("write", &offer))?;
        }
    }
    Ok(())
}
