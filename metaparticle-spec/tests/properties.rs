//! What holds for every application that the types can express, sound or not.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use metaparticle_spec::{
    AppSpec, Artifact, Build, Drain, Embedded, EnvName, Format, Gate, ImageRef, Key, KeyHeader,
    KeyParameter, Name, Namespace, OnExit, PathRegex, PathTemplate, Port, Probe, Probes, Quantity,
    Repository, Resources, ShardKey, Sharding, Slots, Tag, Unmatched, Workload,
    render::{
        APP_LABEL, append_args, is_shared, manifests, manifests_yaml, render, render_manifests,
    },
};
use proptest::{option, prelude::*};
use serde_json::Value;

const IMAGE: &str = "registry.example.com/team/app@sha256:0";

fn text<T>(pattern: &'static str, parse: fn(String) -> T) -> impl Strategy<Value = T>
where
    T: std::fmt::Debug,
{
    pattern.prop_map(parse)
}

fn name() -> impl Strategy<Value = Name> {
    text("[a-z]([-a-z0-9]{0,61}[a-z0-9])?", |name| {
        valid(Name::parse(name))
    })
}

fn port() -> impl Strategy<Value = Port> {
    let name = option::of("[a-z][a-z0-9]{0,14}:");
    (name, 1..=u16::MAX, prop_oneof!["", "/udp", "/tcp"]).prop_map(|(name, number, protocol)| {
        valid(Port::parse(format!(
            "{}{number}{protocol}",
            name.unwrap_or_default()
        )))
    })
}

fn quantity() -> impl Strategy<Value = Quantity> {
    let whole = 1..1_000_000u32;
    let fraction = option::of("\\.[0-9]{1,3}");
    (whole, fraction, "(|m|k|M|G|Ki|Mi|Gi)").prop_map(|(whole, fraction, suffix)| {
        let fraction = fraction.unwrap_or_default();
        valid(Quantity::parse(format!("{whole}{fraction}{suffix}")))
    })
}

fn count() -> impl Strategy<Value = NonZeroU32> {
    prop_oneof![1..5u32, 1..=u32::MAX].prop_map(|count| NonZeroU32::new(count).expect("not zero"))
}

fn shard_key() -> impl Strategy<Value = ShardKey> {
    prop_oneof![
        "/[$()a-z]{1,8}/\\{id\\}".prop_map(|it| ShardKey::Path(valid(PathTemplate::parse(it)))),
        r"/[$:#']{0,3}\([a-z]\)".prop_map(|it| ShardKey::Regex(valid(PathRegex::parse(it)))),
        "x-[a-z]{1,8}".prop_map(|it| ShardKey::Header(valid(KeyHeader::parse(it)))),
        "[$()a-z:#'ß]{1,8}".prop_map(|it| ShardKey::Query(valid(KeyParameter::parse(it)))),
    ]
}

prop_compose! {
    fn sharding()(
        shards in count(),
        key in shard_key(),
        slots in 0..15u32,
        not_found in any::<bool>(),
        router in option::of(count()),
        bare in any::<bool>(),
        drain in 1..=600i128,
    ) -> Sharding {
        Sharding {
            slots: valid(Slots::try_new(1 << slots)),
            unmatched: if not_found { Unmatched::NotFound } else { Unmatched::Any },
            router,
            gate: if bare { Gate::None } else { Gate::Pod },
            drain: valid(Drain::try_new(drain)),
            ..Sharding::new(shards, key)
        }
    }
}

fn workload() -> impl Strategy<Value = Workload> {
    prop_oneof![
        count().prop_map(|replicas| Workload::Replicated { replicas }),
        sharding().prop_map(Workload::Sharded),
        (count(), count()).prop_map(|(completions, parallelism)| Workload::Job {
            completions,
            parallelism
        }),
    ]
}

fn env() -> impl Strategy<Value = BTreeMap<EnvName, String>> {
    let name = text("[!-<>-~]{1,8}", |name| valid(EnvName::parse(name)));
    let value = prop_oneof![any::<String>(), "[$(){}A \\n\\t:#'\"-]{0,12}"];
    prop::collection::btree_map(name, value, 0..5)
}

fn probe() -> impl Strategy<Value = Option<Probe>> {
    option::of(text("/[!-~]{0,8}", |path| valid(Probe::parse(path))))
}

prop_compose! {
    fn probes()(readiness in probe(), liveness in probe(), startup in probe(), port in option::of(port()))
        -> Probes {
        Probes { readiness, liveness, startup, port: port.map(|port| port.number) }
    }
}

prop_compose! {
    fn resources()(
        cpu in option::of(quantity()),
        memory in option::of(quantity()),
        cpu_limit in option::of(quantity()),
        memory_limit in option::of(quantity()),
    ) -> Resources {
        Resources { cpu, memory, cpu_limit, memory_limit }
    }
}

prop_compose! {
    fn places()(
        repository in option::of(text("[a-z]{1,8}(:[1-9]{2}/[a-z]{1,8})?", |r| valid(Repository::parse(r)))),
        tag in text("[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", |tag| valid(Tag::parse(tag))),
        namespace in option::of(text("[a-z0-9]{1,63}", |n| valid(Namespace::parse(n)))),
        context in option::of(any::<String>()),
        base in option::of(text("(scratch|[a-z]{1,8}:[a-z0-9]{1,8})", |b| valid(ImageRef::parse(b)))),
    ) -> (Option<Repository>, Tag, Option<Namespace>, Option<String>, Option<ImageRef>) {
        (repository, tag, namespace, context, base)
    }
}

prop_compose! {
    fn app()(
        name in name(),
        (repository, tag, namespace, context, base) in places(),
        ports in prop::collection::vec(port(), 0..4),
        flags in any::<[bool; 4]>(),
        env in env(),
        resources in resources(),
        probes in probes(),
        workload in workload(),
    ) -> AppSpec {
        let [public, coordination, policy, delete] = flags;
        let on_exit = if delete { OnExit::Delete } else { OnExit::Detach };
        AppSpec {
            name, repository, tag, namespace, context, ports, public, env, resources, probes, base, on_exit,
            coordination, policy, workload,
        }
    }
}

prop_compose! {
    fn build()(
        texts in any::<[String; 5]>(),
        features in prop::collection::vec(any::<String>(), 0..3),
        example in any::<bool>(),
        rustc in prop_oneof!["1\\.[0-9]{1,3}\\.[0-9]", "[ -~]{0,12}"],
    ) -> Build {
        let [package, version, bin, manifest_dir, package_path] = texts;
        Build { package, version, bin, example, features, rustc, manifest_dir, package_path }
    }
}

fn documents(yaml: &str) -> Vec<Value> {
    valid(serde_saphyr::from_multiple(yaml))
}

/// The strategies make valid values only.
fn valid<T, E: std::fmt::Debug>(value: Result<T, E>) -> T {
    value.expect("the strategies make valid values")
}

fn is_dns_label(text: &str) -> bool {
    Namespace::parse(text).is_ok()
}

proptest! {
    // An application is a large value: more cases cost seconds and find no more.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn yaml_says_the_same_as_json(app in app()) {
        prop_assert_eq!(documents(&manifests_yaml(&app, IMAGE)), manifests(&app, IMAGE));
    }

    #[test]
    fn every_object_carries_names_and_labels(app in app()) {
        let mut objects = manifests(&app, IMAGE);
        let all = objects.len();
        // What is of the whole cluster names no application.
        objects.retain(|object| !is_shared(object));
        prop_assert_eq!(all - objects.len(), if app.policy { 2 } else { 0 });
        // A derived name may be too long; then `check` has said so.
        let name_is_refused = app.check().iter().any(|violation| violation.keys == [Key::Name]);
        for object in &objects {
            let metadata = &object["metadata"];
            prop_assert!(object["apiVersion"].is_string() && object["kind"].is_string());
            let name = metadata["name"].as_str().unwrap();
            prop_assert!(is_dns_label(name) || name_is_refused, "{}", name);
            prop_assert_eq!(&metadata["labels"][APP_LABEL], app.name.as_str());
            prop_assert_eq!(&metadata["labels"]["app.kubernetes.io/managed-by"], "metaparticle");
            for (_, label) in metadata["labels"].as_object().unwrap() {
                let label = label.as_str().unwrap();
                let ends = label.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && label.ends_with(|c: char| c.is_ascii_alphanumeric());
                prop_assert!(ends && label.len() <= 63, "{}", label);
            }
            prop_assert_eq!(metadata["namespace"].as_str(), app.namespace.as_ref().map(Namespace::as_str));
        }
        let identity = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
        let identities: BTreeSet<_> = objects.iter().map(identity).collect();
        prop_assert_eq!(identities.len(), objects.len());
    }

    #[test]
    fn workloads_and_services_select_the_pods_that_are_made(app in app()) {
        let objects = manifests(&app, IMAGE);
        let workload = objects.last().unwrap();
        let pod_label = &workload["spec"]["template"]["metadata"]["labels"][APP_LABEL];
        prop_assert_eq!(pod_label, app.name.as_str());
        for object in &objects {
            for selector in ["/spec/selector", "/spec/selector/matchLabels"] {
                if let Some(selected) = object.pointer(selector).and_then(|selector| selector.get(APP_LABEL)) {
                    prop_assert_eq!(selected, pod_label);
                }
            }
        }
    }

    #[test]
    fn namespace_is_said_in_metadata_alone(app in app()) {
        // So the deployer can choose another one, and no right is given across namespaces.
        for mut object in manifests(&AppSpec { coordination: true, ..app }, IMAGE) {
            object["metadata"].as_object_mut().unwrap().remove("namespace");
            prop_assert!(!object.to_string().contains(r#""namespace":"#), "{}", object);
        }
    }

    #[test]
    fn pods_are_restricted(app in app()) {
        let objects = manifests(&app, IMAGE);
        let pod = &objects.last().unwrap()["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        prop_assert_eq!(&pod["securityContext"]["runAsNonRoot"], true);
        prop_assert_eq!(&pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        prop_assert_eq!(&container["securityContext"]["allowPrivilegeEscalation"], false);
        prop_assert_eq!(&container["securityContext"]["readOnlyRootFilesystem"], true);
        prop_assert_eq!(&container["securityContext"]["capabilities"]["drop"][0], "ALL");
        prop_assert_eq!(&pod["automountServiceAccountToken"], app.coordinates());
        prop_assert_eq!(objects.iter().any(|object| object["kind"] == "Role"), app.coordinates());
    }

    #[test]
    fn equal_input_gives_equal_bytes(app in app(), build in build()) {
        prop_assert_eq!(render(&app, &build), render(&app.clone(), &build.clone()));
    }

    #[test]
    fn no_value_adds_an_instruction_to_the_dockerfile(app in app(), build in build()) {
        let instructions = |build: &Build| {
            let text = render(&app, build).remove(0).text;
            let lines = text.replace("\\\n", "");
            let first = |line: &str| line.split(' ').next().unwrap().to_owned();
            lines.split(['\n', '\r']).map(first).collect::<Vec<_>>()
        };
        let plain = Build {
            bin: "b".to_owned(),
            package: "p".to_owned(),
            version: "1".to_owned(),
            package_path: "p".to_owned(),
            features: vec!["f".to_owned()],
            ..build.clone()
        };
        prop_assert_eq!(instructions(&build), instructions(&plain));
    }

    #[test]
    fn every_form_is_made_and_holds_as_many_objects(app in app()) {
        let objects = manifests(&app, IMAGE).len();
        for (format, path) in [(Format::Yaml, "manifests.yaml"), (Format::Kustomize, "manifests.yaml")] {
            let files = render_manifests(&app, IMAGE, format);
            let Artifact { text, .. } = files.iter().find(|file| file.path == path).unwrap();
            prop_assert_eq!(documents(text).len(), objects);
        }
        let chart = render_manifests(&app, IMAGE, Format::Helm);
        for file in &chart[..2] {
            prop_assert_eq!(documents(&file.text).len(), 1);
        }
        // Without its actions a template is YAML again.
        let actions = [("{{ \"{{\" }}", "(("), ("{{ .Values.image | quote }}", "i"), ("{{ .Values.replicas }}", "1"), ("{{ .Values.routers }}", "1")];
        let resolved = |text: String, (action, value): &(&str, &str)| text.replace(action, value);
        let template = actions.iter().fold(chart[2].text.clone(), resolved);
        prop_assert!(!template.contains("{{"));
        // What is of the whole cluster stands in files of its own, which one release writes.
        for file in &chart[3..] {
            prop_assert!(file.text.contains("lookup") && file.text.contains("helm.sh/resource-policy: keep"));
        }
        prop_assert_eq!(documents(&template).len() + chart[3..].len(), objects);
    }

    #[test]
    fn arguments_reach_the_container_and_nothing_else_changes(app in app(), args in prop::collection::vec("[a-z$ ]{0,5}", 0..4)) {
        let before = manifests(&app, IMAGE);
        let mut after = before.clone();
        let (first, rest) = args.split_at(args.len() / 2);
        append_args(&mut after, first);
        append_args(&mut after, rest);
        let mut containers = 0;
        for container in after.iter_mut().filter_map(|it| it.pointer_mut("/spec/template/spec/containers/0")) {
            let found = container.as_object_mut().unwrap().remove("args");
            prop_assert_eq!(found.map_or(0, |found| found.as_array().unwrap().len()), args.len());
            containers += 1;
        }
        let routers = app.sharding().is_some_and(|sharding| sharding.router.is_some());
        prop_assert_eq!(containers, 1 + usize::from(routers));
        prop_assert_eq!(before, after);
    }

    #[test]
    fn an_application_survives_json(app in app()) {
        let json = serde_json::to_string(&app).unwrap();
        prop_assert_eq!(serde_json::from_str::<AppSpec>(&json).unwrap(), app);
    }

    #[test]
    fn a_record_is_found_within_noise(app in app(), build in build(), before in any::<Vec<u8>>(), after in any::<Vec<u8>>(), decoys in 0..3usize) {
        let embedded = Embedded { artifacts: render(&app, &build), spec: app, build };
        let mut binary = before;
        for _ in 0..decoys {
            binary.extend(Embedded::MAGIC);
            binary.extend(&after);
        }
        binary.extend(embedded.encode());
        binary.extend(&after);
        binary.extend(Embedded::MAGIC);
        prop_assert_eq!(Embedded::find(&binary).unwrap(), embedded);
    }

    #[test]
    fn noise_is_no_record_and_no_panic(noise in any::<Vec<u8>>()) {
        let mut record = Embedded::MAGIC.to_vec();
        record.extend(&noise);
        prop_assert!(Embedded::decode(&record).is_err());
        prop_assert!(Embedded::find(&record).is_err());
    }
}
