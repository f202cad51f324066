//! The applications of the golden files: one for each kind of workload, and one that says everything.

use std::{collections::BTreeMap, num::NonZeroU32};

use metaparticle_spec::{
    AppSpec, Build, Drain, EnvName, ImageRef, KeyHeader, Name, Namespace, OnExit, PathTemplate,
    Port, Probe, Probes, Quantity, Repository, Resources, ShardKey, Sharding, Slots, Tag,
    Unmatched, Workload,
};

/// Every application, by the name of its folder.
#[must_use]
pub fn all() -> Vec<(AppSpec, Build)> {
    [hello(), web(), batch(), users(), sessions(), everything()]
        .into_iter()
        .map(|spec| {
            let build = build(&spec);
            (spec, build)
        })
        .collect()
}

/// `#[containerize]` alone, on a program that ends.
#[must_use]
pub fn hello() -> AppSpec {
    AppSpec {
        name: valid(Name::parse("hello")),
        repository: None,
        tag: valid(Tag::parse("0.1.0")),
        namespace: None,
        context: None,
        ports: Vec::new(),
        public: false,
        env: BTreeMap::new(),
        resources: Resources::default(),
        probes: Probes::default(),
        base: None,
        on_exit: OnExit::Detach,
        coordination: false,
        policy: false,
        workload: Workload::Job {
            completions: NonZeroU32::MIN,
            parallelism: NonZeroU32::MIN,
        },
    }
}

/// Four replicas, public, with probes, and values on which a careless writer of YAML stumbles.
#[must_use]
pub fn web() -> AppSpec {
    let nasty = [
        ("BOOL_NO", "no"),
        ("BOOL_ON", "on"),
        ("BRACES", "{{ .Values.image }} }} {{"),
        ("COMMENT", "a #b: c"),
        ("EMPTY", ""),
        ("EXPONENT", "1e3"),
        ("LINES", "first\n  second\n\n---\nkind: Secret\n"),
        ("MERGE", "<<"),
        ("NULL", "~"),
        ("OCTAL", "0755"),
        ("QUOTES", "it's \"quoted\" \\ back"),
        ("REFERENCE", "$(HOME) $HOME $$(HOME) $"),
        ("SEXAGESIMAL", "12:30:45"),
        ("SPACES", " lead and trail "),
        ("TAB", "\ta"),
        ("TIMESTAMP", "2024-02-30"),
        ("UNDERSCORE", "1_000"),
        ("UNICODE", "größe \u{a0}\u{feff} 🦀"),
        ("my.dotted-name", "x"),
    ];
    AppSpec {
        name: valid(Name::parse("web")),
        repository: Some(valid(Repository::parse("127.0.0.1:5000/demo"))),
        ports: vec![valid(Port::from_number(8080))],
        public: true,
        env: env(&nasty),
        probes: Probes {
            readiness: Some(valid(Probe::parse("/ready"))),
            liveness: Some(valid(Probe::parse("/live"))),
            ..Probes::default()
        },
        workload: Workload::Replicated { replicas: count(4) },
        ..hello()
    }
}

/// A job of four runs, two at a time.
#[must_use]
pub fn batch() -> AppSpec {
    AppSpec {
        name: valid(Name::parse("batch")),
        workload: Workload::Job {
            completions: count(4),
            parallelism: count(2),
        },
        ..hello()
    }
}

/// Three shards.
#[must_use]
pub fn users() -> AppSpec {
    AppSpec {
        name: valid(Name::parse("users")),
        ports: vec![valid(Port::from_number(8080))],
        workload: Workload::Sharded(Sharding::new(
            count(3),
            ShardKey::Path(valid(PathTemplate::parse("/users/{id}/…"))),
        )),
        ..hello()
    }
}

/// Five shards behind a tier of two routers, everything about them said.
#[must_use]
pub fn sessions() -> AppSpec {
    let ports = ["7441", "admin:9000", "dns:53/udp"];
    let key = ShardKey::Header(valid(KeyHeader::parse("X-Session")));
    AppSpec {
        name: valid(Name::parse("sessions")),
        ports: ports
            .into_iter()
            .map(|port| valid(Port::parse(port)))
            .collect(),
        probes: Probes {
            liveness: Some(valid(Probe::parse("/live"))),
            ..Probes::default()
        },
        workload: Workload::Sharded(Sharding {
            slots: valid(Slots::try_new(256)),
            unmatched: Unmatched::NotFound,
            router: Some(count(2)),
            drain: valid(Drain::try_new(30)),
            ..Sharding::new(count(5), key)
        }),
        ..hello()
    }
}

/// Every key is said.
#[must_use]
pub fn everything() -> AppSpec {
    let quantity = |text| Some(valid(Quantity::parse(text)));
    let probe = |path| Some(valid(Probe::parse(path)));
    let ports = ["8080", "9090/udp", "admin:9000", "dns:53/udp"];
    AppSpec {
        name: valid(Name::parse("everything")),
        repository: Some(valid(Repository::parse("registry.example.com/team"))),
        tag: valid(Tag::parse("v1")),
        namespace: Some(valid(Namespace::parse("prod"))),
        context: Some("kind-kind".to_owned()),
        ports: ports
            .into_iter()
            .map(|port| valid(Port::parse(port)))
            .collect(),
        public: true,
        env: env(&[("LOG", "info"), ("my.var", "x")]),
        resources: Resources {
            cpu: quantity("0.1"),
            memory: quantity("64Mi"),
            cpu_limit: quantity("1000m"),
            memory_limit: quantity("1024Mi"),
        },
        probes: Probes {
            readiness: probe("/ready"),
            liveness: probe("/live"),
            startup: probe("/up"),
            port: valid(Port::from_number(9000)).number.into(),
        },
        base: Some(valid(ImageRef::parse(
            "gcr.io/distroless/cc-debian12:nonroot",
        ))),
        on_exit: OnExit::Delete,
        coordination: true,
        policy: true,
        workload: Workload::Replicated { replicas: count(2) },
    }
}

/// How cargo compiled the application; `everything` is an example with features, in a folder of its own.
#[must_use]
pub fn build(spec: &AppSpec) -> Build {
    let rich = spec.name.as_str() == "everything";
    Build {
        package: "demo".to_owned(),
        version: "0.1.0".to_owned(),
        bin: spec.name.to_string(),
        example: rich,
        features: if rich {
            vec!["default".to_owned(), "tls".to_owned()]
        } else {
            Vec::new()
        },
        rustc: "1.95.0".to_owned(),
        manifest_dir: "/home/user/demo".to_owned(),
        package_path: if rich {
            "crates/demo".to_owned()
        } else {
            String::new()
        },
    }
}

fn env(pairs: &[(&str, &str)]) -> BTreeMap<EnvName, String> {
    let pair = |(name, value): &(&str, &str)| (valid(EnvName::parse(*name)), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

fn count(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("not zero")
}

fn valid<T, E: std::fmt::Debug>(value: Result<T, E>) -> T {
    value.expect("the values of the samples are valid")
}
