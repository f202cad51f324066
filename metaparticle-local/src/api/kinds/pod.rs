//! Pod.

use serde_json::{Value, json};

use super::{Rules, at::At, default_status, edit, meta, pod_spec, spec_changed};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |object| {
        pod_spec::default_pod(object);
        one_and_many(object);
        default_status(object, &[], &["lastProbeTime", "lastTransitionTime"]);
    },
    create,
    update: |_, new| {
        let spec = edit::slot(new, "spec");
        least_grace(spec);
        tolerate_short_failures(spec);
    },
    status,
    generation: Some(spec_changed),
    validate: |object| {
        let spec = At::root(object, "spec");
        let mut errors = pod_spec::validate(&spec);
        errors.extend(pod_spec::validate_images(&spec));
        errors
    },
    validate_update: pod_spec::validate_update,
    validate_status,
    renamed: true,
    ..Rules::PLAIN
};

/// What admission and the registry add to each new pod.
fn create(object: &mut Value) {
    pod_spec::default_pod(object);
    let spec = edit::slot(object, "spec");
    edit::empty(spec, "serviceAccountName", "default");
    spec["serviceAccount"] = spec["serviceAccountName"].clone();
    least_grace(spec);
    edit::absent(spec, "priority", 0);
    edit::absent(spec, "preemptionPolicy", "PreemptLowerPriority");
    tolerate_short_failures(spec);
    select_own_labels(object);
    let quality = pod_spec::quality_of_service(&object["spec"]);
    object["status"] = json!({"phase": "Pending", "qosClass": quality});
}

/// A pod is spread among those with its own labels of the keys that `matchLabelKeys` has.
fn select_own_labels(object: &mut Value) {
    let labels = object["metadata"]["labels"].clone();
    for constraint in edit::items(edit::slot(object, "spec"), "topologySpreadConstraints") {
        let keys = constraint["matchLabelKeys"].clone();
        let Some(selector) = edit::present(constraint, "labelSelector") else {
            continue;
        };
        for key in keys.as_array().into_iter().flatten() {
            let value = key.as_str().and_then(|key| labels.get(key));
            if let Some(value) = value {
                edit::absent(selector, "matchExpressions", json!([]));
                let rules = selector["matchExpressions"].as_array_mut();
                let own = json!({"key": key, "operator": "In", "values": [value]});
                rules.expect("made above").push(own);
            }
        }
    }
}

/// A pod that is given less than no time is given a second.
fn least_grace(spec: &mut Value) {
    if spec["terminationGracePeriodSeconds"]
        .as_i64()
        .is_some_and(|it| it < 0)
    {
        spec["terminationGracePeriodSeconds"] = 1.into();
    }
}

/// `podIP` is the first of `podIPs`; either may be given.
fn one_and_many(object: &mut Value) {
    let status = edit::slot(object, "status");
    let one = status["podIP"].clone();
    let many = At::new(&status["podIPs"], "")
        .items()
        .next()
        .map(|it| it.value["ip"].clone());
    if one.is_string() && many.as_ref() != Some(&one) {
        status["podIPs"] = json!([{"ip": one}]);
    } else if let Some(first) = many {
        edit::absent(status, "podIP", first);
    }
}

/// A pod stays for five minutes on a node that does not answer.
fn tolerate_short_failures(spec: &mut Value) {
    edit::absent(spec, "tolerations", json!([]));
    let Some(tolerations) = spec["tolerations"].as_array_mut() else {
        return;
    };
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let covers = |it: &Value| {
            let effect = it["effect"].as_str().unwrap_or_default();
            (it["key"] == key || it["key"].is_null()) && ["", "NoExecute"].contains(&effect)
        };
        if !tolerations.iter().any(covers) {
            tolerations.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
            }));
        }
    }
}

/// Owners are not changed with the status, and the quality of service never.
fn status(old: &Value, new: &mut Value) {
    meta::keep(meta::of(new), &old["metadata"], "ownerReferences");
    let quality = old["status"]["qosClass"].clone();
    if !quality.is_null() {
        edit::empty(edit::slot(new, "status"), "qosClass", quality);
    }
}

/// A container that has ended and is not to be restarted does not run again.
fn validate_status(old: &Value, new: &Value) -> Vec<FieldError> {
    let status = At::root(new, "status");
    let mut errors = Vec::new();
    for condition in status.get("conditions").items() {
        let kind = condition.get("type");
        if kind.is_empty() {
            errors.push(kind.required(""));
        }
    }
    let policy = new["spec"]["restartPolicy"].as_str().unwrap_or_default();
    if policy == "Always" {
        return errors;
    }
    for container in status.get("containerStatuses").items() {
        let name = &container.value["name"];
        let before = At::root(old, "status").get("containerStatuses");
        let before = before.list().iter().find(|it| it["name"] == *name);
        let Some(ended) = before
            .map(|it| &it["state"]["terminated"])
            .filter(|it| !it.is_null())
        else {
            continue;
        };
        let failed = ended["exitCode"].as_i64().is_some_and(|it| it != 0);
        if (policy == "OnFailure" && failed) || container.get("state").get("terminated").is_set() {
            continue;
        }
        errors.push(
            container
                .get("state")
                .forbidden("may not be transitioned to non-terminated state"),
        );
    }
    errors
}
