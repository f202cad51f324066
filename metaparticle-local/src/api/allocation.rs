//! Addresses and ports of the node that Services have: each once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    failure::{Failure, FieldError},
    kinds::service::{needs_cluster_ip, needs_health_port, needs_node_ports},
    resource,
    store::State,
    write::{Write, name_of},
};

/// The ports of nodes that Services get.
const NODE_PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;

/// What a rehearsal shows instead of an address, and the port before the first that it shows unless one was asked for:
/// nothing that a Service can have.
const REHEARSED: (&str, i64) = ("10.96.0.0", 32_768);

/// What is taken. The store keeps it, with every Service that it writes.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// The last two bytes of addresses in 10.96.0.0/16.
    addresses: BTreeSet<u16>,
    ports: BTreeSet<i64>,
}

impl Taken {
    /// A Service is no longer `old`, but `new`.
    pub(crate) fn change(&mut self, old: Option<&Value>, new: Option<&Value>) {
        if let Some(old) = old {
            if let Some(address) = address(old) {
                self.addresses.remove(&address);
            }
            for port in ports(old) {
                self.ports.remove(&port);
            }
        }
        if let Some(new) = new {
            self.addresses.extend(address(new));
            self.ports.extend(ports(new));
        }
    }

    fn free_address(&self) -> Option<String> {
        let free = (2..u16::MAX).find(|it| !self.addresses.contains(it))?;
        Some(format!("10.96.{}.{}", free >> 8, free & 0xff))
    }
}

/// Gives a Service the address and the ports that it lacks, and refuses those that it cannot have.
pub(super) fn allocate(
    state: &State,
    write: &Write<'_>,
    old: Option<&Value>,
    new: &mut Value,
) -> Result<(), Failure> {
    if write.resource.index() != resource::SERVICE.index() {
        return Ok(());
    }
    let taken = state.taken();
    let errors = allocate_address(taken, write.dry_run, old, new)?;
    if errors.is_empty() {
        let errors = allocate_node_ports(taken, write.dry_run, old, new);
        if errors.is_empty() {
            return Ok(());
        }
        return Err(Failure::invalid(write.resource, &name_of(new), &errors));
    }
    Err(Failure::invalid(write.resource, &name_of(new), &errors))
}

fn allocate_address(
    taken: &Taken,
    dry_run: bool,
    old: Option<&Value>,
    new: &mut Value,
) -> Result<Vec<FieldError>, Failure> {
    if needs_cluster_ip(new) {
        let free = if dry_run {
            Some(REHEARSED.0.to_owned())
        } else {
            taken.free_address()
        };
        let full = "failed to allocate a serviceIP: range is full";
        let free = free.ok_or_else(|| Failure::new(500, "InternalError", full))?;
        new["spec"]["clusterIP"] = free.as_str().into();
        new["spec"]["clusterIPs"] = json!([free]);
        return Ok(Vec::new());
    }
    let asked = new["spec"]["clusterIP"].as_str().unwrap_or_default();
    let kept = old.is_some_and(|old| old["spec"]["clusterIP"] == asked);
    if asked.is_empty() || asked == "None" || kept {
        return Ok(Vec::new());
    }
    let many = &new["spec"]["clusterIPs"];
    if asked.contains(':') {
        let detail = "IPv6 is not configured on this cluster";
        return Ok(vec![FieldError::invalid(
            "spec.clusterIPs[0]",
            many,
            detail,
        )]);
    }
    let detail = match address(new) {
        None if dry_run => format!(
            "the provided IP ({asked}) is not in the valid range. The range of valid IPs is 10.96.0.0/16"
        ),
        Some(_) if dry_run => return Ok(Vec::new()),
        None | Some(0 | u16::MAX) => {
            "the provided network does not match the current range".to_owned()
        }
        Some(address) if taken.addresses.contains(&address) => {
            "provided IP is already allocated".to_owned()
        }
        Some(_) => return Ok(Vec::new()),
    };
    let detail = format!("failed to allocate IP {asked}: {detail}");
    Ok(vec![FieldError::invalid("spec.clusterIPs", many, &detail)])
}

fn allocate_node_ports(
    taken: &Taken,
    dry_run: bool,
    old: Option<&Value>,
    new: &mut Value,
) -> Vec<FieldError> {
    let own: BTreeSet<i64> = old.map(|old| ports(old).collect()).unwrap_or_default();
    let had = old.is_some_and(needs_node_ports);
    let gives = needs_node_ports(new);
    let mut handed_out: BTreeSet<i64> = BTreeSet::new();
    // By port: a new Service has one port of the node for all protocols of a port.
    let mut shared: BTreeMap<i64, i64> = BTreeMap::new();
    // The last that was handed out anew.
    let mut last = 0;
    let mut errors = Vec::new();
    // Not by index, which would make ports of none.
    let slots = new.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    for (index, port) in slots.into_iter().flatten().enumerate() {
        let asked = port["nodePort"].as_i64().unwrap_or(0);
        let number = port["port"].as_i64().unwrap_or(0);
        if asked != 0 {
            let again = own.contains(&asked) || shared.get(&number) == Some(&asked);
            if !again {
                let detail = if !dry_run && !NODE_PORTS.contains(&asked) {
                    Some(
                        "provided port is not in the valid range. The range of valid ports is 30000-32767",
                    )
                } else if taken.ports.contains(&asked) || handed_out.contains(&asked) {
                    Some("provided port is already allocated")
                } else {
                    None
                };
                let field = || format!("spec.ports[{index}].nodePort");
                errors.extend(detail.map(|it| FieldError::invalid(field(), &asked.into(), it)));
            }
            if !own.contains(&asked) {
                last = last.max(asked);
            }
            handed_out.insert(asked);
            shared.insert(number, asked);
            continue;
        }
        if !gives {
            continue;
        }
        let same = shared.get(&number).copied().filter(|_| !had);
        if let Some(free) = same.or_else(|| free_port(taken, dry_run, &handed_out, last)) {
            last = last.max(free);
            handed_out.insert(free);
            shared.insert(number, free);
            port["nodePort"] = free.into();
        }
    }
    let health = new["spec"]["healthCheckNodePort"].as_i64().unwrap_or(0);
    if needs_health_port(new)
        && health == 0
        && let Some(free) = free_port(taken, dry_run, &handed_out, last)
    {
        new["spec"]["healthCheckNodePort"] = free.into();
    }
    // One mistake is told at a time.
    errors.truncate(1);
    errors
}

fn free_port(taken: &Taken, dry_run: bool, handed_out: &BTreeSet<i64>, last: i64) -> Option<i64> {
    if dry_run {
        return Some(if last == 0 { REHEARSED.1 } else { last } + 1);
    }
    NODE_PORTS
        .clone()
        .find(|it| !taken.ports.contains(it) && !handed_out.contains(it))
}

/// The last two bytes of the address, if it is one of the range.
fn address(service: &Value) -> Option<u16> {
    let text = service["spec"]["clusterIP"].as_str()?;
    let [10, 96, high, low] = text.parse::<std::net::Ipv4Addr>().ok()?.octets() else {
        return None;
    };
    Some(u16::from_be_bytes([high, low]))
}

fn ports(service: &Value) -> impl Iterator<Item = i64> {
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    ports
        .map(|it| &it["nodePort"])
        .chain([&service["spec"]["healthCheckNodePort"]])
        .filter_map(Value::as_i64)
        .filter(|it| *it > 0)
}
