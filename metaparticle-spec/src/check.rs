//! [`AppSpec::check`]: the rules between values. A rule about one value alone is in the type of that value.

use crate::{AppSpec, Key, Port, Protocol, Quantity, SpecError, Workload};

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
        match self.workload {
            Workload::Job { .. } => self.check_job(&mut found),
            Workload::Replicated { .. } | Workload::Sharded { .. } => {
                self.check_service(&mut found);
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
            Workload::Sharded { .. } => (
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
        match self.workload {
            Workload::Replicated { replicas } => at_most(Key::Replicas, replicas.get(), MOST),
            Workload::Sharded { shards, .. } => at_most(Key::Shards, shards.get(), MOST),
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
        let sharded = matches!(self.workload, Workload::Sharded { .. });
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
        if sharded && tcp().next().is_none() {
            broken(&[Key::Shards, Key::Ports], SpecError::ShardsWithoutPort);
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
            if value.contains('\0') {
                found.push(Violation {
                    keys: vec![Key::Env],
                    item: Some(index),
                    error: SpecError::EnvValue(name.to_string()),
                });
            }
        }
    }
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
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::{EnvName, Name, Probe, ShardKey, sample};

    fn ports(ports: &[&str]) -> Vec<Port> {
        ports
            .iter()
            .map(|port| Port::parse(*port).unwrap())
            .collect()
    }

    fn replicated() -> AppSpec {
        AppSpec {
            ports: ports(&["8080"]),
            ..sample::app()
        }
    }

    fn sharded(shards: u32) -> AppSpec {
        let key = ShardKey::parse("/{id}").unwrap();
        AppSpec {
            workload: Workload::Sharded {
                shards: count(shards),
                key,
            },
            ..replicated()
        }
    }

    fn job(completions: u32, parallelism: u32) -> AppSpec {
        let (completions, parallelism) = (count(completions), count(parallelism));
        AppSpec {
            workload: Workload::Job {
                completions,
                parallelism,
            },
            ..sample::app()
        }
    }

    fn count(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    /// The one violation of an application, as keys and text.
    fn only(app: &AppSpec) -> (Vec<Key>, String) {
        let violations = app.check();
        let [violation] = &violations[..] else {
            panic!("not exactly one: {violations:?}");
        };
        (violation.keys.clone(), violation.error.to_string())
    }

    fn assert_only(app: &AppSpec, keys: &[Key], text: &str) {
        let (found, error) = only(app);
        assert_eq!(found, keys, "{error}");
        assert!(error.contains(text), "{error}");
    }

    #[test]
    fn sound_applications_break_no_rule() {
        for app in [
            sample::app(),
            replicated(),
            sharded(3),
            job(4, 4),
            job(1, 1),
        ] {
            assert_eq!(app.check(), []);
        }
    }

    #[test]
    fn a_name_must_leave_room_for_what_is_derived_from_it() {
        let named = |length: usize, app: AppSpec| AppSpec {
            name: Name::parse("a".repeat(length)).unwrap(),
            ..app
        };
        assert_eq!(named(63, replicated()).check(), []);
        assert_eq!(named(52, sharded(1)).check(), []);
        assert_only(
            &named(53, sharded(1)),
            &[Key::Name],
            "has 53 characters, at most 52",
        );
        // 63 = 50 + "-" + 10 of the run + "-" + 1 of the index
        assert_eq!(named(50, job(10, 1)).check(), []);
        assert_only(&named(51, job(10, 1)), &[Key::Name], "at most 50");
        assert_only(&named(50, job(11, 1)), &[Key::Name], "at most 49");
    }

    #[test]
    fn counts_are_bounded_by_those_of_kubernetes() {
        let most = 2_147_483_647;
        let replicas = |replicas| AppSpec {
            workload: Workload::Replicated {
                replicas: count(replicas),
            },
            ..replicated()
        };
        assert_eq!(replicas(most).check(), []);
        assert_only(
            &replicas(most + 1),
            &[Key::Replicas],
            "`replicas = 2147483648`",
        );
        assert_only(&sharded(most + 1), &[Key::Shards], "at most 2147483647");
        assert_only(
            &job(most + 1, 1),
            &[Key::Completions],
            "`completions = 2147483648`",
        );
        assert_eq!(job(most, 100_000).check(), []);
        assert_only(&job(most, 100_001), &[Key::Parallelism], "at most 100000");
    }

    #[test]
    fn no_more_pods_than_runs() {
        assert_only(
            &job(2, 3),
            &[Key::Parallelism, Key::Completions],
            "`parallelism = 3` exceeds",
        );
    }

    #[test]
    fn public_needs_a_port() {
        let app = AppSpec {
            public: true,
            ..sample::app()
        };
        assert_only(&app, &[Key::Public, Key::Ports], "needs at least one port");
    }

    #[test]
    fn shards_need_a_tcp_port() {
        for ports in [vec![], ports(&["53/udp"])] {
            let app = AppSpec {
                ports,
                ..sharded(2)
            };
            assert_only(&app, &[Key::Shards, Key::Ports], "needs a TCP port");
        }
    }

    #[test]
    fn a_port_is_declared_once() {
        let twice = AppSpec {
            ports: ports(&["80", "80/udp", "web:80"]),
            ..sample::app()
        };
        assert_only(&twice, &[Key::Ports], "port 80/tcp is declared twice");
        assert_eq!(twice.check()[0].item, Some(2));
    }

    #[test]
    fn a_port_name_is_used_once() {
        let twice = AppSpec {
            ports: ports(&["a:80", "a:81"]),
            ..sample::app()
        };
        assert_only(&twice, &[Key::Ports], "two ports are named `a`");
        assert_eq!(twice.check()[0].item, Some(1));
    }

    #[test]
    fn a_job_has_nothing_of_a_service() {
        let mut app = AppSpec {
            public: true,
            ports: ports(&["80/udp"]),
            ..job(1, 1)
        };
        app.probes.liveness = Some(Probe::parse("/live").unwrap());
        app.probes.port = Some(ports(&["81"])[0].number);
        let found: Vec<_> = app
            .check()
            .into_iter()
            .map(|violation| violation.error)
            .collect();
        assert_eq!(
            found,
            ["ports", "public", "probes"].map(SpecError::NotForJobs)
        );
    }

    #[test]
    fn probes_need_a_tcp_port() {
        let mut app = AppSpec {
            ports: ports(&["53/udp"]),
            ..sample::app()
        };
        app.probes.startup = Some(Probe::parse("/up").unwrap());
        assert_only(&app, &[Key::Startup, Key::Ports], "probes need a TCP port");
    }

    #[test]
    fn the_port_of_the_probes_is_declared() {
        let mut app = AppSpec {
            ports: ports(&["80", "81", "82/udp"]),
            ..sample::app()
        };
        app.probes.port = Some(ports(&["82"])[0].number);
        assert_only(&app, &[Key::ProbePort, Key::Ports], "declared: 80, 81");
        app.probes.port = Some(ports(&["81"])[0].number);
        assert_eq!(app.check(), []);
    }

    fn with_resources(said: [&str; 4]) -> AppSpec {
        let [cpu, memory, cpu_limit, memory_limit] = said.map(|text| Quantity::parse(text).ok());
        AppSpec {
            resources: crate::Resources {
                cpu,
                memory,
                cpu_limit,
                memory_limit,
            },
            ..sample::app()
        }
    }

    #[test]
    fn a_limit_is_at_least_its_request() {
        assert_eq!(with_resources(["1", "1Gi", "1000m", "1024Mi"]).check(), []);
        assert_only(
            &with_resources(["2", "", "1999m", ""]),
            &[Key::CpuLimit, Key::Cpu],
            "the CPU limit `1999m` is below the request `2`",
        );
        assert_only(
            &with_resources(["", "1Gi", "", "1G"]),
            &[Key::MemoryLimit, Key::Memory],
            "the memory limit `1G`",
        );
    }

    #[test]
    fn a_limit_below_the_default_request_is_sound() {
        assert_eq!(with_resources(["", "", "10m", "16Mi"]).check(), []);
    }

    #[test]
    fn units_are_those_of_the_resource() {
        assert_only(
            &with_resources(["64Mi", "", "", ""]),
            &[Key::Cpu],
            "`64Mi` is not an amount of CPU",
        );
        assert_only(
            &with_resources(["", "", "0.5m", ""]),
            &[Key::CpuLimit],
            "at least 1m",
        );
        assert_only(
            &with_resources(["", "64m", "", ""]),
            &[Key::Memory],
            "less than 1Mi",
        );
        assert_only(
            &with_resources(["", "64Mi", "", "128"]),
            &[Key::MemoryLimit],
            "less than 1Mi",
        );
    }

    #[test]
    fn no_value_of_the_environment_holds_nul() {
        let mut app = sample::app();
        app.env.insert(EnvName::parse("A").unwrap(), String::new());
        app.env
            .insert(EnvName::parse("B").unwrap(), "a\0".to_owned());
        assert_only(&app, &[Key::Env], "the value of `B`");
        assert_eq!(app.check()[0].item, Some(1));
    }

    #[test]
    fn a_context_is_not_empty() {
        let app = AppSpec {
            context: Some(String::new()),
            ..sample::app()
        };
        assert_only(&app, &[Key::Context], "the context is empty");
    }
}
