//! Examples of the real server's own tests and of what kubectl sends.

use serde_json::json;

use super::*;
use crate::api::resource::{CONFIG_MAP, DEPLOYMENT, POD, SERVICE};

#[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
fn pod(spec: Value, patch: Value) -> Value {
    let (current, patch) = (json!({"spec": spec}), json!({"spec": patch}));
    strategic(&POD, &current, &patch).unwrap()["spec"].clone()
}

fn message(patch: &Value) -> (u16, String) {
    let current = json!({"data": {"a": "b"}, "metadata": {"ownerReferences": [{"uid": "1"}], "finalizers": ["a"]}});
    let failure = strategic(&CONFIG_MAP, &current, patch).unwrap_err();
    (failure.code, failure.message)
}

#[test]
fn items_are_merged_by_their_key_and_new_ones_come_first() {
    let merged = pod(
        json!({"containers": [{"name": "a", "image": "x"}, {"name": "b"}]}),
        json!({"containers": [{"name": "c"}, {"name": "a", "tty": true}]}),
    );
    assert_eq!(
        merged["containers"],
        json!([{"name": "c"}, {"name": "a", "image": "x", "tty": true}, {"name": "b"}])
    );
}

#[test]
fn merge_key_is_not_the_key_of_apply() {
    let current = json!({"spec": {"ports": [{"port": 80, "protocol": "TCP"}]}});
    let patch = json!({"spec": {"ports": [{"port": 80, "protocol": "UDP"}]}});
    let merged = strategic(&SERVICE, &current, &patch).unwrap();
    assert_eq!(
        merged["spec"]["ports"],
        json!([{"port": 80, "protocol": "UDP"}])
    );
}

#[test]
fn items_are_deleted_and_lists_are_replaced_by_directive() {
    let current = json!({"containers": [{"name": "a"}, {"name": "b"}]});
    let merged = pod(
        current.clone(),
        json!({"containers": [{"name": "a", "$patch": "delete"}]}),
    );
    assert_eq!(merged["containers"], json!([{"name": "b"}]));
    let merged = pod(
        current,
        json!({"containers": [{"name": "c"}, {"$patch": "replace"}]}),
    );
    assert_eq!(merged["containers"], json!([{"name": "c"}]));
}

#[test]
fn maps_are_deleted_and_replaced_by_directive() {
    let current = json!({"nodeSelector": {"a": "b"}, "hostname": "h"});
    let merged = pod(
        current.clone(),
        json!({"nodeSelector": {"$patch": "delete"}}),
    );
    assert_eq!(merged["nodeSelector"], json!({}));
    let merged = pod(
        current.clone(),
        json!({"nodeSelector": {"$patch": "replace", "c": "d"}}),
    );
    assert_eq!(merged, json!({"nodeSelector": {"c": "d"}, "hostname": "h"}));
    let merged = pod(current, json!({"$patch": "replace", "hostname": "i"}));
    assert_eq!(merged, json!({"hostname": "i"}));
}

#[test]
fn retained_keys_drop_the_others() {
    let current =
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let merged = strategic(&DEPLOYMENT, &current, &patch).unwrap();
    assert_eq!(merged["spec"]["strategy"], json!({"type": "Recreate"}));
    let merged = pod(
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [{"$retainKeys": ["name", "configMap"], "name": "v", "configMap": {"name": "c"}}]}),
    );
    assert_eq!(
        merged["volumes"],
        json!([{"name": "v", "configMap": {"name": "c"}}])
    );
}

#[test]
fn primitive_lists_are_united_or_replaced_and_deleted_from() {
    let meta = |finalizers: Value| json!({"metadata": {"finalizers": finalizers}});
    let current = meta(json!(["a", "b"]));
    let merged = strategic(&CONFIG_MAP, &current, &meta(json!(["c", "a"]))).unwrap();
    assert_eq!(merged, meta(json!(["c", "a", "b"])));
    let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}});
    let merged = strategic(&CONFIG_MAP, &current, &patch).unwrap();
    assert_eq!(merged, meta(json!(["b"])));
    let merged = pod(
        json!({"containers": [{"name": "a", "args": ["x", "y"]}]}),
        json!({"containers": [{"name": "a", "args": ["z"]}]}),
    );
    assert_eq!(merged["containers"][0]["args"], json!(["z"]));
}

#[test]
fn wanted_order_sorts_and_leaves_the_others_where_they_are() {
    let current = json!({"containers": [{"name": "a"}, {"name": "x"}, {"name": "b"}]});
    let merged = pod(
        current.clone(),
        json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
    );
    assert_eq!(
        merged["containers"],
        json!([{"name": "x"}, {"name": "b"}, {"name": "a"}])
    );
    let merged = pod(
        current,
        json!({
            "$setElementOrder/containers": [{"name": "n"}, {"name": "a"}, {"name": "b"}],
            "containers": [{"name": "n"}, {"name": "b", "tty": true}, {"name": "x", "$patch": "delete"}],
        }),
    );
    assert_eq!(
        merged["containers"],
        json!([{"name": "n"}, {"name": "a"}, {"name": "b", "tty": true}])
    );
}

#[test]
fn patch_that_kubectl_makes_of_three_versions_leads_to_the_applied_one() {
    // Applied before: containers a, b with env X; now: a with env Y, c; meanwhile a controller added s.
    let live = json!({"containers": [
        {"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]},
        {"name": "b", "image": "1"},
        {"name": "s", "image": "side"},
    ]});
    let patch = json!({
        "$setElementOrder/containers": [{"name": "a"}, {"name": "c"}],
        "containers": [
            {
                "$setElementOrder/env": [{"name": "Y"}],
                "env": [{"name": "Y", "value": "2"}, {"$patch": "delete", "name": "X"}],
                "name": "a",
            },
            {"name": "c", "image": "1"},
            {"$patch": "delete", "name": "b"},
        ],
    });
    assert_eq!(
        pod(live, patch)["containers"],
        json!([
            {"name": "a", "image": "1", "env": [{"name": "Y", "value": "2"}]},
            {"name": "c", "image": "1"},
            {"name": "s", "image": "side"},
        ])
    );
}

#[test]
fn nulls_remove_and_mean_nothing_in_new_values() {
    let current = json!({"hostname": "h", "nodeSelector": {"a": "b"}});
    let patch = json!({"hostname": null, "nodeSelector": {"a": null, "x": null}, "securityContext": {"runAsUser": null}});
    assert_eq!(
        pod(current, patch),
        json!({"nodeSelector": {}, "securityContext": {}})
    );
}

#[test]
fn bad_directives_are_refused_in_the_words_of_the_real_server() {
    for (patch, code, words) in [
        (
            json!({"data": {"$patch": "bogus"}}),
            500,
            "unknown patch type: bogus in map: map[$patch:bogus]",
        ),
        (
            json!({"data": {"$retainKeys": 3}}),
            400,
            "invalid patch format of retainKeys",
        ),
        (
            json!({"metadata": {"$deleteFromPrimitiveList": ["a"]}}),
            400,
            "invalid patch format of primitive list",
        ),
        (
            json!({"metadata": {"$setElementOrder/finalizers": "a"}}),
            500,
            "expected a []interface {}, but received a string",
        ),
        (
            json!({"metadata": {"$setElementOrder/foo": ["a"], "foo": ["a"]}}),
            500,
            "unable to find api field in struct ObjectMeta for the json field \"foo\"",
        ),
        (
            json!({"metadata": {"ownerReferences": [{"a": "b"}]}}),
            500,
            "map: map[a:b] does not contain declared merge key: uid",
        ),
        (
            json!({"metadata": {"finalizers": [["a"]]}}),
            500,
            "list element types are not identical",
        ),
    ] {
        assert_eq!(message(&patch), (code, words.to_owned()));
    }
}
