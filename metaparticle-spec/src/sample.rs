//! The smallest application, for tests that change one thing of it.

use std::{collections::BTreeMap, num::NonZeroU32};

use crate::{AppSpec, Build, Name, OnExit, Probes, Resources, Tag, Workload};

pub(crate) fn app() -> AppSpec {
    AppSpec {
        name: Name::parse("app").unwrap(),
        repository: None,
        tag: Tag::parse("v1").unwrap(),
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
        workload: Workload::Replicated {
            replicas: NonZeroU32::MIN,
        },
    }
}

pub(crate) fn build() -> Build {
    Build {
        package: "p".to_owned(),
        version: "0.1.0".to_owned(),
        bin: "b".to_owned(),
        example: false,
        features: vec!["default".to_owned(), "x/y".to_owned()],
        rustc: "1.95.0".to_owned(),
        manifest_dir: "/p".to_owned(),
        package_path: String::new(),
    }
}
