//! What holds for all configurations.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{compare, merge, *};
use crate::api::resource::DEPLOYMENT;

fn writer(manager: &str) -> Writer<'_> {
    Writer {
        manager,
        subresource: None,
        time: "2026-01-01T00:00:00Z",
    }
}

/// A part of a Deployment: maps, keyed lists with one and two keys, sets, an atomic list, scalars.
fn configurations() -> impl Strategy<Value = Value> {
    let names = || prop::collection::btree_set("[abc]", 1..3);
    let map = prop::collection::btree_map("[abc]", "[12]", 1..3);
    let port = (1..4_u16, prop::option::of("(TCP|UDP)"), "[xy]");
    let ports = prop::collection::vec(port, 1..3).prop_map(|ports| {
        let mut keyed = std::collections::BTreeMap::new();
        for (number, protocol, name) in ports {
            let key = (number, protocol.clone().unwrap_or_else(|| "TCP".to_owned()));
            let mut port = json!({"containerPort": number, "name": name});
            if let Some(protocol) = protocol {
                port["protocol"] = protocol.into();
            }
            keyed.insert(key, port);
        }
        keyed.into_values().collect::<Value>()
    });
    let container = (
        prop::option::of("[xy]"),
        prop::option::of(names()),
        prop::option::of(ports),
    );
    let containers = prop::collection::btree_map("[abc]", container, 1..3);
    let all = (
        prop::option::of(map),
        prop::option::of(names()),
        prop::option::of(0..3_i32),
        prop::option::of(containers.prop_shuffled()),
    );
    all.prop_map(|(labels, finalizers, replicas, containers)| {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {}});
        if let Some(labels) = labels {
            object["metadata"]["labels"] = json!(labels);
        }
        if let Some(finalizers) = finalizers {
            object["metadata"]["finalizers"] = json!(finalizers);
        }
        if let Some(replicas) = replicas {
            object["spec"]["replicas"] = replicas.into();
        }
        if let Some(containers) = containers {
            object["spec"]["template"]["spec"]["containers"] = containers;
        }
        object
    })
}

trait Shuffled {
    fn prop_shuffled(self) -> BoxedStrategy<Value>;
}

type Container = (
    Option<String>,
    Option<std::collections::BTreeSet<String>>,
    Option<Value>,
);

impl<S> Shuffled for S
where
    S: Strategy<Value = std::collections::BTreeMap<String, Container>> + 'static,
{
    /// The containers as a list in any order.
    fn prop_shuffled(self) -> BoxedStrategy<Value> {
        let listed = self.prop_map(|containers| {
            let container = |(name, (image, args, ports)): (String, Container)| {
                let mut fields = Map::new();
                fields.insert("name".to_owned(), name.into());
                fields.extend(image.map(|image| ("image".to_owned(), image.into())));
                fields.extend(args.map(|args| ("args".to_owned(), json!(args))));
                fields.extend(ports.map(|ports| ("ports".to_owned(), ports)));
                Value::Object(fields)
            };
            containers.into_iter().map(container).collect::<Vec<_>>()
        });
        listed.prop_shuffle().prop_map(Value::Array).boxed()
    }
}

fn forced(current: Option<&Value>, config: &Value, manager: &str) -> Value {
    apply(&DEPLOYMENT, current, config, writer(manager), true).unwrap()
}

/// Whether `object` has every value of `config`, which has no empty ones.
fn has(object: &Value, config: &Value) -> bool {
    let shape = schema::shape(&DEPLOYMENT);
    let found = compare::compare(shape, object, &merge::merge(shape, object, config));
    found.added.is_empty() && found.modified.is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn applying_twice_is_applying_once(one in configurations(), two in configurations()) {
        let object = forced(Some(&forced(None, &one, "one")), &two, "two");
        prop_assert_eq!(forced(Some(&object), &two, "two"), object);
    }

    #[test]
    fn every_applied_field_has_its_value(one in configurations(), two in configurations()) {
        let object = forced(Some(&forced(None, &one, "one")), &two, "two");
        prop_assert!(has(&object, &two), "{object}");
    }

    #[test]
    fn apply_without_force_takes_nothing_from_others(
        one in configurations(), two in configurations(), three in configurations(),
    ) {
        let object = forced(None, &one, "one");
        let object = apply(&DEPLOYMENT, Some(&object), &two, writer("two"), false).unwrap_or(object);
        let object = apply(&DEPLOYMENT, Some(&object), &three, writer("two"), false).unwrap_or(object);
        let owned = |object: &Value| {
            let managers = Managers::read(object).unwrap();
            let fields = managers.iter().find(|it| it.who.manager == "one");
            fields.map(|it| it.fields.clone())
        };
        prop_assert_eq!(owned(&object), owned(&forced(None, &one, "one")));
        prop_assert!(has(&object, &one), "{object}");
    }

    #[test]
    fn what_an_applier_drops_goes_unless_another_has_it(
        one in configurations(), two in configurations(),
    ) {
        let object = forced(Some(&forced(None, &one, "one")), &two, "two");
        let nothing = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}});
        let object = forced(Some(&object), &nothing, "one");
        let object = forced(Some(&object), &nothing, "two");
        prop_assert_eq!(object["metadata"].get("labels"), None);
        prop_assert_eq!(object["metadata"].get("finalizers"), None);
        prop_assert_eq!(object["spec"].get("replicas"), None);
        prop_assert_eq!(object["spec"]["template"]["spec"].get("containers"), Some(&Value::Null));
    }
}
