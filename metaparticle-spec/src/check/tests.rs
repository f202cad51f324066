//! Each rule, broken alone.

use std::num::NonZeroU32;

use super::*;
use crate::{EnvName, Name, PathTemplate, Probe, ShardKey, Slots, sample};

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
    with_sharding(shards, |_| {})
}

fn with_sharding(shards: u32, change: impl FnOnce(&mut Sharding)) -> AppSpec {
    let key = ShardKey::Path(PathTemplate::parse("/{id}").unwrap());
    let mut sharding = Sharding::new(count(shards), key);
    change(&mut sharding);
    AppSpec {
        workload: Workload::Sharded(sharding),
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
    assert_only(
        &with_sharding(1, |it| it.router = Some(count(most + 1))),
        &[Key::Router],
        "at most 2147483647",
    );
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
    let udp = AppSpec {
        public: true,
        ports: ports(&["53/udp"]),
        ..sample::app()
    };
    assert_eq!(udp.check(), []);
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
fn a_map_has_room_for_all_shards() {
    let of = |shards, slots| with_sharding(shards, |it| it.slots = Slots::try_new(slots).unwrap());
    for (shards, slots) in [(1000, 4096), (8, 8), (100, 16_384)] {
        assert_eq!(of(shards, slots).check(), []);
        let text = format!("is too many for {slots} slots: at most {shards}");
        assert_only(&of(shards + 1, slots), &[Key::Shards, Key::Slots], &text);
    }
}

#[test]
fn the_name_of_the_gates_port_is_taken() {
    let app = AppSpec {
        ports: ports(&["8080", "gate:9000"]),
        ..sharded(2)
    };
    assert_only(&app, &[Key::Ports], "choose another name");
    assert_eq!(app.check()[0].item, Some(1));
}

#[test]
fn whether_a_shard_is_ready_is_asked_of_its_gate() {
    let mut app = sharded(2);
    app.probes.readiness = Some(Probe::parse("/ready").unwrap());
    assert_only(&app, &[Key::Readiness], "leave `readiness` out");
    let mut without = with_sharding(2, |it| it.gate = Gate::None);
    without.probes.readiness = Some(Probe::parse("/ready").unwrap());
    assert_eq!(without.check(), []);
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
fn values_of_the_environment_hold_what_reaches_the_process() {
    let with = |value: &str| {
        let mut app = sample::app();
        app.env.insert(EnvName::parse("A").unwrap(), String::new());
        app.env
            .insert(EnvName::parse("B").unwrap(), value.to_owned());
        app
    };
    for sound in [
        "\t\r\n",
        "\u{1}\u{1b}",
        "\u{a0}\u{ad}\u{feff}\u{fffd}",
        "🦀",
    ] {
        assert_eq!(with(sound).check(), []);
    }
    for lost in [
        "a\0", "\u{7f}", "\u{80}", "a \u{85}", "\u{2028}", "\u{2029}", "\u{ffff}",
    ] {
        assert_only(&with(lost), &[Key::Env], "the value of `B` holds U+");
        assert_eq!(with(lost).check()[0].item, Some(1));
    }
    assert_only(&with("\u{85}"), &[Key::Env], "U+0085,");
}

#[test]
fn a_context_is_not_empty() {
    let app = AppSpec {
        context: Some(String::new()),
        ..sample::app()
    };
    assert_only(&app, &[Key::Context], "the context is empty");
}
