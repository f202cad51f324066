//! [`AppSpec::check`]: the rules between values. A rule about one value alone is in the type of that value.

use std::num::NonZeroU32;

use crate::{
    AppSpec, Gate, Key, Port, Protocol, Quantity, Sharding, SpecError, Workload,
    sharding::GATE_PORT_NAME,
};

/// A broken rule, and the keys whose values break it together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The keys at fault; the first is the one to change first. A key may be unsaid: then its default takes part.
    pub keys: Vec<Key>,
    /// Which element of the first key's list is at fault (`ports`, `env` in the order of [`AppSpec`]), if one is.
    pub item: Option<usize>,
    /// The rule.
    pub error: SpecError,
}

/// Longest name of an object that is also a label's value or a host name: 63 characters.
const LABEL: usize = 63;

/// Most characters that the deployer may append to the name of a job, the `-` not counted.
pub const RUN_ID_MAX: usize = 10;

/// Kubernetes counts with 32 bits, signed.
const MOST: u32 = i32::MAX.unsigned_abs();

/// Most pods of an Indexed Job at a time (`maxParallelismForIndexedJob` of the API server).
const MOST_PARALLEL: u32 = 100_000;

impl AppSpec {
    /// All rules between values that this application breaks; empty if it can be rendered and deployed.
    ///
    /// One mistake gives one violation: where a rule presupposes another that is broken, only the latter is reported.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        self.check_name(&mut found);
        self.check_counts(&mut found);
        self.check_ports(&mut found);
        match &self.workload {
            Workload::Job { .. } => self.check_job(&mut found),
            Workload::Replicated { .. } => self.check_service(&mut found),
            Workload::Sharded(sharding) => {
                self.check_service(&mut found);
                self.check_sharding(sharding, &mut found);
            }
        }
        self.check_resources(&mut found);
        self.check_texts(&mut found);
        found
    }

    fn check_name(&self, found: &mut Vec<Violation>) {
        let (max, why) = match self.workload {
            Workload::Replicated { .. } => return,
            // kubernetes/kubernetes#64023: `controller-revision-hash` is name, `-` and up to 10 characters.
            Workload::Sharded(..) => (
                LABEL - 11,
                "Kubernetes labels the pods of a StatefulSet with its name and a hash",
            ),
            Workload::Job { completions, .. } => {
                let last = completions.get() - 1;
                (
                    LABEL - 1 - RUN_ID_MAX - 1 - last.to_string().len(),
                    "the host names of a job's pods are its name, the run's id and the pod's index",
                )
            }
        };
        let name = self.name.as_str();
        if name.len() > max {
            let name = name.to_owned();
            found.push(Violation::of(
                Key::Name,
                SpecError::NameLength { name, max, why },
            ));
        }
    }

    fn check_counts(&self, found: &mut Vec<Violation>) {
        let mut at_most = |key: Key, count: u32, max| {
            if count > max {
                let error = SpecError::Count {
                    key: key.as_str(),
                    count,
                    max,
                };
                found.push(Violation::of(key, error));
            }
        };
        match &self.workload {
            Workload::Replicated { replicas } => at_most(Key::Replicas, replicas.get(), MOST),
            Workload::Sharded(sharding) => {
                let routers = sharding.router.map_or(0, NonZeroU32::get);
                at_most(Key::Router, routers, MOST);
            }
            Workload::Job {
                completions,
                parallelism,
            } => {
                let (completions, parallelism) = (completions.get(), parallelism.get());
                at_most(Key::Completions, completions, MOST);
                at_most(Key::Parallelism, parallelism, MOST_PARALLEL);
                if parallelism > completions {
                    found.push(Violation {
                        keys: vec![Key::Parallelism, Key::Completions],
                        item: None,
                        error: SpecError::Parallelism {
                            parallelism,
                            completions,
                        },
                    });
                }
            }
        }
    }

    fn check_ports(&self, found: &mut Vec<Violation>) {
        for (index, port) in self.ports.iter().enumerate() {
            let before = &self.ports[..index];
            let same =
                |other: &Port| (other.number, other.protocol) == (port.number, port.protocol);
            let error = if before.iter().any(same) {
                SpecError::DuplicatePort(format!("{}/{}", port.number, port.protocol.lower()))
            } else if before.iter().any(|other| other.name() == port.name()) {
                SpecError::DuplicatePortName(port.name().to_owned())
            } else {
                continue;
            };
            found.push(Violation {
                keys: vec![Key::Ports],
                item: Some(index),
                error,
            });
        }
    }

    fn check_job(&self, found: &mut Vec<Violation>) {
        for (key, said) in [
            (Key::Ports, !self.ports.is_empty()),
            (Key::Public, self.public),
            (Key::Probes, self.probe_key().is_some()),
        ] {
            if said {
                found.push(Violation::of(key, SpecError::NotForJobs(key.as_str())));
            }
        }
    }

    fn check_service(&self, found: &mut Vec<Violation>) {
        let tcp = || {
            self.ports
                .iter()
                .filter(|port| port.protocol == Protocol::Tcp)
        };
        let mut broken = |keys: &[Key], error| {
            found.push(Violation {
                keys: keys.to_vec(),
                item: None,
                error,
            });
        };
        if self.public && self.ports.is_empty() {
            broken(&[Key::Public, Key::Ports], SpecError::PublicWithoutPorts);
        }
        match (self.probe_key(), self.probes.port) {
            (Some(key), _) if tcp().next().is_none() => {
                broken(&[key, Key::Ports], SpecError::ProbesWithoutPort);
            }
            (_, Some(port)) if !tcp().any(|declared| declared.number == port) => {
                let declared: Vec<_> = tcp().map(|port| port.number.to_string()).collect();
                broken(
                    &[Key::ProbePort, Key::Ports],
                    SpecError::ProbePort {
                        port: port.get(),
                        declared: declared.join(", "),
                    },
                );
            }
            _ => {}
        }
    }

    fn check_sharding(&self, sharding: &Sharding, found: &mut Vec<Violation>) {
        let (shards, slots) = (sharding.shards.get(), sharding.slots);
        if shards > slots.most_shards() {
            found.push(Violation {
                keys: vec![Key::Shards, Key::Slots],
                item: None,
                error: SpecError::Shards {
                    shards,
                    slots: slots.number(),
                    max: slots.most_shards(),
                },
            });
        }
        if self.first_tcp_port().is_none() {
            found.push(Violation {
                keys: vec![Key::Shards, Key::Ports],
                item: None,
                error: SpecError::ShardsWithoutPort,
            });
        }
        let named = |port: &Port| port.name() == GATE_PORT_NAME;
        if let Some(item) = self.ports.iter().position(named) {
            found.push(Violation {
                keys: vec![Key::Ports],
                item: Some(item),
                error: SpecError::GatePortName,
            });
        }
        if sharding.gate == Gate::Pod && self.probes.readiness.is_some() {
            found.push(Violation::of(Key::Readiness, SpecError::ShardReadiness));
        }
    }

    /// The first key that was said about probes.
    fn probe_key(&self) -> Option<Key> {
        let probes = &self.probes;
        [
            (Key::Readiness, probes.readiness.is_some()),
            (Key::Liveness, probes.liveness.is_some()),
            (Key::Startup, probes.startup.is_some()),
            (Key::ProbePort, probes.port.is_some()),
        ]
        .into_iter()
        .find_map(|(key, said)| said.then_some(key))
    }

    fn check_resources(&self, found: &mut Vec<Violation>) {
        let resources = &self.resources;
        let no_cpu =
            |cpu: &Quantity| cpu.is_binary() || !cpu.billionths().is_multiple_of(1_000_000);
        let no_memory = |memory: &Quantity| memory.billionths() < 1_000_000_000 << 20;
        let cpu: [(Key, &Option<Quantity>); 2] = [
            (Key::Cpu, &resources.cpu),
            (Key::CpuLimit, &resources.cpu_limit),
        ];
        let memory = [
            (Key::Memory, &resources.memory),
            (Key::MemoryLimit, &resources.memory_limit),
        ];
        check_pair(found, "CPU", cpu, no_cpu, SpecError::Cpu);
        check_pair(found, "memory", memory, no_memory, SpecError::Memory);
    }

    fn check_texts(&self, found: &mut Vec<Violation>) {
        if self.context.as_ref().is_some_and(String::is_empty) {
            found.push(Violation::of(Key::Context, SpecError::Context));
        }
        for (index, (name, value)) in self.env.iter().enumerate() {
            if let Some(character) = value.chars().find(|c| is_lost(*c)) {
                found.push(Violation {
                    keys: vec![Key::Env],
                    item: Some(index),
                    error: SpecError::EnvValue {
                        name: name.to_string(),
                        character,
                    },
                });
            }
        }
    }
}

/// Characters that do not reach a process: no environment holds NUL, and server-side apply, which reads its JSON as
/// YAML, refuses the others or (U+0085, U+2028, U+2029) folds the space around them. Tried with Kubernetes 1.36.
fn is_lost(character: char) -> bool {
    matches!(
        character,
        '\0' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}'
    )
}

impl Violation {
    /// A rule that one key breaks alone.
    fn of(key: Key, error: SpecError) -> Self {
        Self {
            keys: vec![key],
            item: None,
            error,
        }
    }
}

/// Checks request and limit of one resource, each by itself, then together.
fn check_pair(
    found: &mut Vec<Violation>,
    resource: &'static str,
    pair: [(Key, &Option<Quantity>); 2],
    wrong: impl Fn(&Quantity) -> bool,
    error: impl Fn(String) -> SpecError,
) {
    let before = found.len();
    for (key, quantity) in pair {
        if let Some(quantity) = quantity.as_ref().filter(|quantity| wrong(quantity)) {
            found.push(Violation::of(key, error(quantity.to_string())));
        }
    }
    let [(request_key, Some(request)), (limit_key, Some(limit))] = pair else {
        return;
    };
    if found.len() == before && limit.billionths() < request.billionths() {
        found.push(Violation {
            keys: vec![limit_key, request_key],
            item: None,
            error: SpecError::LimitBelowRequest {
                resource,
                limit: limit.to_string(),
                request: request.to_string(),
            },
        });
    }
}

#[cfg(test)]
mod tests;
