//! Values, what becomes of them, and what is said of wrong ones.

use serde_json::json;

use super::*;
use crate::api::{
    decode::json::read,
    resource::{CONFIG_MAP, DEPLOYMENT, Resource},
    schema,
};

fn decode(resource: &Resource, text: &str) -> Result<(Value, Vec<String>), String> {
    super::decode(schema::of(resource), read(text.as_bytes()).unwrap())
}

fn pod_spec(text: &str) -> Result<Value, String> {
    let text = format!(r#"{{"spec":{{"template":{{"spec":{text}}}}}}}"#);
    decode(&DEPLOYMENT, &text).map(|(it, _)| it["spec"]["template"]["spec"].clone())
}

#[test]
fn wrong_types_are_refused_in_the_words_of_the_real_server() {
    for (text, words) in [
        (
            r#"{"metadata":"x"}"#,
            "string into Go struct field ConfigMap.metadata of type v1.ObjectMeta",
        ),
        (
            r#"{"data":{"a":1,"b":{}}}"#,
            "number into Go struct field ConfigMap.data of type string",
        ),
        (
            r#"{"data":[]}"#,
            "array into Go struct field ConfigMap.data of type map[string]string",
        ),
        (
            r#"{"binaryData":{"a":7}}"#,
            "number into Go struct field ConfigMap.binaryData of type []uint8",
        ),
        (
            r#"{"metadata":{"creationTimestamp":1}}"#,
            "number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
        (
            r#"{"metadata":{"ownerReferences":{}}}"#,
            "object into Go struct field ObjectMeta.metadata.ownerReferences of type []v1.OwnerReference",
        ),
        ("[]", "array into Go value of type v1.ConfigMap"),
    ] {
        let expected = format!("json: cannot unmarshal {words}");
        assert_eq!(decode(&CONFIG_MAP, text), Err(expected), "{text}");
    }
    let spec = "into Go struct field DeploymentSpec.spec.replicas of type int32";
    for (value, found) in [
        ("\"3\"", "string"),
        ("3.0", "number 3.0"),
        ("3e0", "number 3e0"),
        ("3000000000", "number 3000000000"),
        ("true", "bool"),
        ("{}", "object"),
    ] {
        let text = format!(r#"{{"spec":{{"replicas":{value}}}}}"#);
        let expected = format!("json: cannot unmarshal {found} {spec}");
        assert_eq!(decode(&DEPLOYMENT, &text), Err(expected));
    }
}

#[test]
fn embedded_structs_are_named_in_errors() {
    for (text, words) in [
        (
            r#"{"containers":[{"livenessProbe":{"httpGet":{"port":true}}}]}"#,
            "bool into Go struct field HTTPGetAction.spec.template.spec.containers.livenessProbe.ProbeHandler.httpGet.port of type int32",
        ),
        (
            r#"{"volumes":[{"name":"a","emptyDir":3}]}"#,
            "number into Go struct field Volume.spec.template.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource",
        ),
        (
            r#"{"containers":[{"env":[{"valueFrom":{"secretKeyRef":{"name":1}}}]}]}"#,
            "number into Go struct field SecretKeySelector.spec.template.spec.containers.env.valueFrom.secretKeyRef.LocalObjectReference.name of type string",
        ),
    ] {
        assert_eq!(
            pod_spec(text),
            Err(format!("json: cannot unmarshal {words}"))
        );
    }
}

#[test]
fn text_that_its_type_cannot_read_counts_more_than_a_wrong_type_before_it() {
    let text = r#"{"nodeSelector":3,"containers":[{"resources":{"limits":{"cpu":"abc"}}}]}"#;
    assert!(
        pod_spec(text)
            .unwrap_err()
            .starts_with("quantities must match")
    );
}

#[test]
fn unknown_and_repeated_fields_are_told_in_order_and_left_out() {
    let text = r#"{"metadata":{"name":"b","x":1},"zata":{},"bata":1,"data":{"a":"b","a":"c"},"data":{"d":"e"}}"#;
    let (object, problems) = decode(&CONFIG_MAP, text).unwrap();
    assert_eq!(
        object,
        json!({"metadata": {"name": "b"}, "data": {"d": "e"}})
    );
    assert_eq!(
        problems,
        [
            r#"unknown field "metadata.x""#,
            r#"unknown field "zata""#,
            r#"unknown field "bata""#,
            r#"duplicate field "data.a""#,
            r#"duplicate field "data""#
        ]
    );
    let text = r#"{"spec":{"template":{"spec":{"containers":[{"name":"a"},{"foo":1}]}}}}"#;
    let (_, problems) = decode(&DEPLOYMENT, text).unwrap();
    assert_eq!(
        problems,
        [r#"unknown field "spec.template.spec.containers[1].foo""#]
    );
}

#[test]
fn what_go_leaves_out_is_left_out() {
    let text = r#"{"metadata":{"name":"","labels":{},"finalizers":[],"creationTimestamp":null},"immutable":false}"#;
    let (object, _) = decode(&CONFIG_MAP, text).unwrap();
    assert_eq!(object, json!({"metadata": {}, "immutable": false}));
    // Kept until the rule about immutable ones was asked, which tells empty from absent.
    let (object, _) = decode(&CONFIG_MAP, r#"{"data":{}}"#).unwrap();
    assert_eq!(object["data"], json!({}));
    let spec = pod_spec(r#"{"hostNetwork":false,"containers":[{"name":"a","stdin":false}]}"#);
    let expected = json!({"containers": [{"name": "a", "resources": {}}]});
    assert_eq!(spec.unwrap(), expected);
}

#[test]
fn what_go_always_writes_is_written() {
    let (object, _) = decode(&DEPLOYMENT, r#"{"spec":{"replicas":0}}"#).unwrap();
    let expected = json!({
        "metadata": {},
        "spec": {
            "replicas": 0,
            "selector": null,
            "strategy": {},
            "template": {"metadata": {}, "spec": {"containers": null}},
        },
        "status": {},
    });
    assert_eq!(object, expected);
    let field = r#"{"containers":[{"env":[{"name":"a","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu"}}}]}]}"#;
    let spec = pod_spec(field).unwrap();
    let reference = &spec["containers"][0]["env"][0]["valueFrom"]["resourceFieldRef"];
    assert_eq!(
        *reference,
        json!({"divisor": "0", "resource": "limits.cpu"})
    );
}

#[test]
fn maps_in_memory_are_converted_as_the_real_server_does() {
    let convert =
        |value: Value| decode_unstructured(schema::of(&DEPLOYMENT), value.into()).map(|(it, _)| it);
    let replicas = |value: Value| {
        convert(json!({"spec": {"replicas": value}})).map(|it| it["spec"]["replicas"].clone())
    };
    assert_eq!(replicas(json!(3.0)), Ok(json!(3)));
    assert_eq!(
        replicas(json!(3_000_000_000_u64)),
        Ok(json!(-1_294_967_296))
    );
    for (value, words) in [
        (json!(1.5), "cannot convert float64 to int32"),
        (json!("x"), "unrecognized type: int32"),
    ] {
        assert_eq!(replicas(value), Err(words.to_owned()));
    }
    for (value, words) in [
        (json!({"metadata": []}), "cannot restore struct from: slice"),
        (
            json!({"metadata": {"labels": 3}}),
            "cannot restore map from int64",
        ),
        (
            json!({"metadata": {"labels": {"a": 1}}}),
            "cannot convert int64 to string",
        ),
        (
            json!({"metadata": {"labels": {"a": {}}}}),
            "unrecognized type: string",
        ),
        (
            json!({"metadata": {"finalizers": 3}}),
            "cannot restore slice from int64",
        ),
        (json!({"spec": {"paused": "x"}}), "unrecognized type: bool"),
    ] {
        assert_eq!(convert(value), Err(words.to_owned()));
    }
}

#[test]
fn decoding_twice_is_decoding_once() {
    let text = r#"{"spec":{"template":{"spec":{"volumes":[{"name":"a","emptyDir":{}}],"containers":[{"name":"a","ports":[{"containerPort":1}],"resources":{"limits":{"cpu":"1000m"}}}]}}}}"#;
    let (once, _) = decode(&DEPLOYMENT, text).unwrap();
    let twice = super::decode(schema::of(&DEPLOYMENT), once.clone().into()).unwrap();
    assert_eq!(twice, (once, Vec::new()));
}
