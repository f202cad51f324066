//! Rules of ownership, each by one small story.

use serde_json::{Value, json};

use super::*;
use crate::api::resource::{CONFIG_MAP, DEPLOYMENT, POD, SERVICE};

fn writer(manager: &str) -> Writer<'_> {
    Writer {
        manager,
        subresource: None,
        time: "2026-01-01T00:00:00Z",
    }
}

#[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

fn applied(current: Option<&Value>, data: Value, manager: &str) -> Result<Value, Failure> {
    apply(&CONFIG_MAP, current, &map(data), writer(manager), false)
}

fn updated(current: &Value, manager: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut new = current.clone();
    change(&mut new);
    let mut new = decode::typed(&CONFIG_MAP, new).unwrap().0;
    track(&CONFIG_MAP, Some(current), &mut new, writer(manager));
    new
}

fn owners(object: &Value) -> Vec<(String, Value)> {
    let entries = object["metadata"]["managedFields"].as_array();
    let entry = |it: &Value| {
        let who = format!(
            "{} {}",
            it["manager"].as_str().unwrap(),
            it["operation"].as_str().unwrap()
        );
        (who, it["fieldsV1"].clone())
    };
    entries.into_iter().flatten().map(entry).collect()
}

fn owner(who: &str, fields: Value) -> (String, Value) {
    (who.to_owned(), fields)
}

#[test]
fn applying_creates_and_owns_what_was_applied() {
    let object = applied(None, json!({"a": "1"}), "me").unwrap();
    assert_eq!(object["data"], json!({"a": "1"}));
    assert_eq!(
        owners(&object),
        [owner("me Apply", json!({"f:data": {"f:a": {}}}))]
    );
    let entry = &object["metadata"]["managedFields"][0];
    assert_eq!(entry["time"], "2026-01-01T00:00:00Z");
    assert_eq!(entry["apiVersion"], "v1");
}

#[test]
fn creating_owns_maps_themselves_too() {
    let mut object = map(json!({"a": "1"}));
    track(&CONFIG_MAP, None, &mut object, writer("me"));
    let fields = json!({"f:data": {".": {}, "f:a": {}}});
    assert_eq!(owners(&object), [owner("me Update", fields)]);
}

#[test]
fn other_value_of_an_owned_field_is_a_conflict_unless_forced() {
    let object = applied(None, json!({"a": "1", "b": "1"}), "one").unwrap();
    let failure = applied(Some(&object), json!({"a": "2", "b": "1"}), "two").unwrap_err();
    assert_eq!((failure.code, failure.reason), (409, "Conflict"));
    assert_eq!(
        failure.message,
        "Apply failed with 1 conflict: conflict with \"one\": .data.a"
    );
    let cause = json!({"reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".data.a"});
    assert_eq!(failure.details, Some(json!({"causes": [cause]})));
    let config = map(json!({"a": "2", "b": "1"}));
    let forced = apply(&CONFIG_MAP, Some(&object), &config, writer("two"), true).unwrap();
    assert_eq!(forced["data"], json!({"a": "2", "b": "1"}));
    assert_eq!(
        owners(&forced),
        [
            owner("one Apply", json!({"f:data": {"f:b": {}}})),
            owner("two Apply", json!({"f:data": {"f:a": {}, "f:b": {}}})),
        ]
    );
}

#[test]
fn several_conflicts_are_listed_by_manager() {
    let object = applied(None, json!({"a": "1", "b": "1"}), "one").unwrap();
    let object = updated(&object, "two", |it| it["data"]["c"] = "1".into());
    let failure = applied(Some(&object), json!({"a": "2", "b": "2", "c": "2"}), "me").unwrap_err();
    assert_eq!(
        failure.message,
        "Apply failed with 3 conflicts: conflicts with \"one\":\n- .data.a\n- .data.b\nconflicts with \"two\" using v1:\n- .data.c"
    );
}

#[test]
fn equal_values_are_owned_together_and_stay_when_one_owner_leaves() {
    let object = applied(None, json!({"a": "1", "b": "1"}), "one").unwrap();
    let object = applied(Some(&object), json!({"a": "1"}), "two").unwrap();
    let object = applied(Some(&object), json!({}), "one").unwrap();
    assert_eq!(object["data"], json!({"a": "1"}));
    let object = applied(Some(&object), json!({}), "two").unwrap();
    assert_eq!(object.get("data"), None);
}

#[test]
fn fields_of_updaters_stay_when_an_applier_drops_its_own() {
    let object = applied(None, json!({"a": "1"}), "me").unwrap();
    let object = updated(&object, "other", |it| it["data"]["b"] = "1".into());
    let object = applied(Some(&object), json!({"c": "1"}), "me").unwrap();
    assert_eq!(object["data"], json!({"b": "1", "c": "1"}));
}

#[test]
fn applying_the_same_again_changes_nothing_not_even_the_time() {
    let object = applied(None, json!({"a": "1"}), "me").unwrap();
    let later = Writer {
        time: "2027-01-01T00:00:00Z",
        ..writer("me")
    };
    let again = apply(
        &CONFIG_MAP,
        Some(&object),
        &map(json!({"a": "1"})),
        later,
        false,
    );
    assert_eq!(again, Ok(object));
}

#[test]
fn update_takes_changed_fields_and_forgets_removed_ones() {
    let object = applied(None, json!({"a": "1", "b": "1", "c": "1"}), "me").unwrap();
    let object = updated(&object, "other", |it| {
        it["data"] = json!({"a": "2", "c": "1"});
    });
    assert_eq!(
        owners(&object),
        [
            owner("me Apply", json!({"f:data": {"f:c": {}}})),
            owner("other Update", json!({"f:data": {"f:a": {}}})),
        ]
    );
}

#[test]
fn update_without_a_change_leaves_managers_alone() {
    let object = applied(None, json!({"a": "1"}), "me").unwrap();
    assert_eq!(updated(&object, "other", |_| {}), object);
}

#[test]
fn empty_list_of_managers_clears_them_and_apply_then_names_who_was_before() {
    for reset in [json!([]), json!([{}])] {
        let object = applied(None, json!({"a": "1"}), "me").unwrap();
        let object = updated(&object, "x", |it| it["metadata"]["managedFields"] = reset);
        assert_eq!(object["metadata"].get("managedFields"), None);
        let object = applied(Some(&object), json!({"b": "1"}), "me").unwrap();
        assert_eq!(
            owners(&object),
            [
                owner("me Apply", json!({"f:data": {"f:b": {}}})),
                owner(
                    "before-first-apply Update",
                    json!({"f:data": {".": {}, "f:a": {}}})
                ),
            ]
        );
    }
}

#[test]
fn list_items_are_told_apart_by_all_their_keys_with_defaults() {
    let ports =
        |ports: Value| json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": ports}});
    let tcp = ports(json!([{"port": 53, "name": "tcp"}]));
    let udp = ports(json!([{"port": 53, "protocol": "UDP", "name": "udp"}]));
    let object = apply(&SERVICE, None, &tcp, writer("one"), false).unwrap();
    let object = apply(&SERVICE, Some(&object), &udp, writer("two"), false).unwrap();
    let names: Vec<_> = object["spec"]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["tcp", "udp"]);
    let fields = json!({"f:spec": {"f:ports": {
        "k:{\"port\":53,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}},
    }}});
    assert_eq!(owners(&object)[0], owner("one Apply", fields));
}

#[test]
fn atomic_lists_and_selectors_are_replaced_as_a_whole() {
    let config = |args: Value, labels: Value| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {
            "selector": {"matchLabels": labels},
            "template": {"spec": {"containers": [{"name": "a", "args": args}]}},
        }})
    };
    let one = config(json!(["x", "y"]), json!({"a": "b"}));
    let object = apply(&DEPLOYMENT, None, &one, writer("me"), false).unwrap();
    let two = config(json!(["z"]), json!({"c": "d"}));
    let object = apply(&DEPLOYMENT, Some(&object), &two, writer("me"), false).unwrap();
    assert_eq!(
        object["spec"]["template"]["spec"]["containers"][0]["args"],
        json!(["z"])
    );
    assert_eq!(
        object["spec"]["selector"],
        json!({"matchLabels": {"c": "d"}})
    );
    assert_eq!(owners(&object)[0].1["f:spec"]["f:selector"], json!({}));
}

#[test]
fn items_of_sets_are_owned_one_by_one() {
    let config = |finalizers: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"finalizers": finalizers}});
    let apply = |current: Option<&Value>, finalizers: Value, manager: &str| {
        apply(
            &CONFIG_MAP,
            current,
            &config(finalizers),
            writer(manager),
            false,
        )
        .unwrap()
    };
    let object = apply(None, json!(["a/1"]), "one");
    let object = apply(Some(&object), json!(["b/2", "a/1"]), "two");
    assert_eq!(object["metadata"]["finalizers"], json!(["b/2", "a/1"]));
    let object = apply(Some(&object), json!([]), "two");
    assert_eq!(object["metadata"]["finalizers"], json!(["a/1"]));
}

#[test]
fn container_that_is_dropped_goes_and_the_others_keep_their_place() {
    let pod = |names: &[&str]| {
        let containers: Value = names.iter().map(|name| json!({"name": name})).collect();
        json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers}})
    };
    let apply = |current: Option<&Value>, names: &[&str], manager: &str| {
        apply(&POD, current, &pod(names), writer(manager), false).unwrap()
    };
    let names = |object: &Value| -> Vec<String> {
        let containers = object["spec"]["containers"].as_array().unwrap().iter();
        containers
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let object = apply(None, &["a", "b", "c"], "one");
    let object = apply(Some(&object), &["c", "x", "a"], "two");
    assert_eq!(names(&object), ["b", "c", "x", "a"]);
    let object = apply(Some(&object), &["a"], "one");
    assert_eq!(names(&object), ["c", "x", "a"]);
}

#[test]
fn status_belongs_to_its_sub_resource_only() {
    let old = decode::empty(&POD);
    let mut new = old.clone();
    new["metadata"]["labels"] = json!({"a": "b"});
    new["status"]["phase"] = "Running".into();
    new["spec"]["nodeName"] = "n".into();
    let mut main = new.clone();
    let mut with_uid = old.clone();
    with_uid["metadata"]["uid"] = "1".into();
    track(&POD, None, &mut main, writer("me"));
    let metadata = json!({"f:labels": {".": {}, "f:a": {}}});
    assert_eq!(
        owners(&main)[0].1,
        json!({"f:metadata": metadata, "f:spec": {"f:nodeName": {}}})
    );
    let status = Writer {
        subresource: Some("status"),
        ..writer("kubelet")
    };
    let mut changed = main.clone();
    changed["status"]["phase"] = "Failed".into();
    changed["spec"]["nodeName"] = "other".into();
    track(&POD, Some(&main), &mut changed, status);
    let entry = &changed["metadata"]["managedFields"][0];
    assert_eq!(entry["subresource"], "status");
    assert_eq!(entry["fieldsV1"], json!({"f:status": {"f:phase": {}}}));
}

#[test]
fn more_than_ten_updaters_are_merged_into_ancient_changes() {
    let mut object = map(json!({"a": "1"}));
    track(&CONFIG_MAP, None, &mut object, writer("creator"));
    for number in 0..12 {
        let manager = format!("m{number:02}");
        object = updated(&object, &manager, |it| it["data"][&manager] = "1".into());
    }
    let owners = owners(&object);
    assert_eq!(owners.len(), 10);
    let ancient = json!({"f:data": {".": {}, "f:a": {}, "f:m00": {}, "f:m01": {}, "f:m02": {}}});
    assert!(
        owners.contains(&owner("ancient-changes Update", ancient)),
        "{owners:?}"
    );
}

#[test]
fn configurations_that_are_no_objects_of_the_kind_are_refused() {
    let refused = |config: Value| {
        let failure = apply(&DEPLOYMENT, None, &config, writer("me"), false).unwrap_err();
        (failure.code, failure.message)
    };
    let deployment =
        |spec: Value| json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec});
    let typed = "failed to create typed patch object (/; apps/v1, Kind=Deployment): ";
    for (config, code, words) in [
        (json!({}), 400, "invalid object type: /, Kind=".to_owned()),
        (json!({"apiVersion": "v1", "kind": "Pod"}), 400, "invalid object type: /v1, Kind=Pod".to_owned()),
        (deployment(json!({"foo": 1})), 500, format!("{typed}.spec.foo: field not declared in schema")),
        (
            deployment(json!({"replicas": "x"})),
            500,
            format!("{typed}.spec.replicas: expected numeric (int or float), got string"),
        ),
        (
            deployment(json!({"template": {"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": []}}}]}}})),
            500,
            format!("{typed}.spec.template.spec.containers[name=\"a\"].resources.limits.cpu: expected any scalar, got &{{[]}}"),
        ),
        (
            deployment(json!({"replicas": 1.5})),
            500,
            "failed to convert new object (/; apps/v1, Kind=Deployment) to proper version: unable to convert unstructured object to apps/v1, Kind=Deployment: cannot convert float64 to int32".to_owned(),
        ),
    ] {
        assert_eq!(refused(config), (code, words));
    }
    let failure = applied(None, json!({"x": 1}), "me").unwrap_err();
    assert_eq!(
        failure.message,
        "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .data.x: expected string, got &value.valueUnstructured{Value:1}"
    );
    let mut config = map(json!({}));
    config["metadata"]["finalizers"] = json!(["a/b", "a/b"]);
    let failure = apply(&CONFIG_MAP, None, &config, writer("me"), false).unwrap_err();
    assert!(
        failure
            .message
            .ends_with(".metadata.finalizers: duplicate entries for key [=\"a/b\"]")
    );
    config["metadata"] = json!({"managedFields": []});
    let failure = apply(&CONFIG_MAP, None, &config, writer("me"), false).unwrap_err();
    assert_eq!(
        failure,
        Failure::bad_request("metadata.managedFields must be nil")
    );
}

#[test]
fn kubectl_takes_over_what_its_annotation_says_it_applied() {
    let last = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}});
    let mut object = map(json!({"a": "1", "b": "1"}));
    object["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": last.to_string()});
    track(
        &CONFIG_MAP,
        None,
        &mut object,
        writer("kubectl-client-side-apply"),
    );
    let failure = applied(Some(&object), json!({"a": "2", "b": "2"}), "kubectl").unwrap_err();
    assert_eq!(
        failure.message,
        "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using v1: .data.b"
    );
    let object = applied(Some(&object), json!({"a": "2"}), "kubectl").unwrap();
    assert_eq!(object["data"], json!({"a": "2", "b": "1"}));
    let annotation =
        &object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
    assert_eq!(*annotation, format!("{}\n", map(json!({"a": "2"}))));
}
