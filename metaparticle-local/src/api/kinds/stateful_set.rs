//! StatefulSet.

use serde_json::{Value, json};

use super::{
    Rules, at::At, default_status, edit, keep, names, pod_spec, rolling, selector, spec_changed,
};
use crate::api::{decode::Quantity, failure::FieldError};

pub(super) const RULES: Rules = Rules {
    name: names::dns_label,
    default,
    create: without_max_unavailable,
    update: |_, new| without_max_unavailable(new),
    generation: Some(spec_changed),
    validate,
    validate_update,
    validate_status,
    ..Rules::PLAIN
};

/// What of the spec may change.
const UPDATABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

fn default(object: &mut Value) {
    let spec = edit::slot(object, "spec");
    edit::empty(spec, "podManagementPolicy", "OrderedReady");
    let strategy = edit::slot(spec, "updateStrategy");
    if strategy["type"].is_null() || strategy["type"] == "" {
        strategy["type"] = "RollingUpdate".into();
        edit::slot(strategy, "rollingUpdate");
    }
    if strategy["type"] == "RollingUpdate"
        && let Some(rolling) = edit::present(strategy, "rollingUpdate")
    {
        edit::absent(rolling, "partition", 0);
    }
    let claims = edit::slot(spec, "persistentVolumeClaimRetentionPolicy");
    edit::empty(claims, "whenDeleted", "Retain");
    edit::empty(claims, "whenScaled", "Retain");
    for claim in edit::items(spec, "volumeClaimTemplates") {
        claim["apiVersion"] = "v1".into();
        claim["kind"] = "PersistentVolumeClaim".into();
        edit::absent(edit::slot(claim, "spec"), "volumeMode", "Filesystem");
        edit::empty(edit::slot(claim, "status"), "phase", "Pending");
    }
    edit::absent(spec, "replicas", 1);
    edit::absent(spec, "revisionHistoryLimit", 10);
    edit::absent(spec, "serviceName", "");
    pod_spec::default_template(spec);
    default_status(
        object,
        &["replicas", "availableReplicas"],
        &["lastTransitionTime"],
    );
}

/// More than one at a time is a feature that is off. Who sent it owns it nevertheless.
fn without_max_unavailable(object: &mut Value) {
    let rolling = object.pointer_mut("/spec/updateStrategy/rollingUpdate");
    if let Some(rolling) = rolling.and_then(Value::as_object_mut) {
        rolling.remove("maxUnavailable");
    }
}

fn validate(object: &Value) -> Vec<FieldError> {
    let spec = At::root(object, "spec");
    let template = spec.get("template");
    let mut errors = Vec::new();
    let order = spec.get("podManagementPolicy");
    if !["OrderedReady", "Parallel"].contains(&order.text()) {
        errors.push(order.invalid("must be 'OrderedReady' or 'Parallel'"));
    }
    errors.extend(strategy(&spec.get("updateStrategy")));
    let claims = spec.get("persistentVolumeClaimRetentionPolicy");
    for field in ["whenDeleted", "whenScaled"] {
        errors.extend(claims.get(field).one_of(&["Retain", "Delete"]));
    }
    errors.extend(spec.get("replicas").not_negative());
    errors.extend(spec.get("minReadySeconds").not_negative());
    errors.extend(spec.get("ordinals").get("start").not_negative());
    let service = spec.get("serviceName");
    if !service.is_empty() {
        errors.extend(service.all_invalid(names::dns_label(service.text())));
    }
    errors.extend(rolling::validate_selector(
        &spec,
        "empty selector is invalid for statefulset",
    ));
    for claim in spec.get("volumeClaimTemplates").items() {
        errors.extend(validate_claim(&claim.get("spec")));
    }
    let selector = spec.get("selector");
    let labels = template.get("metadata").get("labels");
    if !selector::is_empty(selector.value)
        && selector::matches(selector.value, labels.value).is_some()
    {
        // Twice, as the real server does.
        errors.extend(pod_spec::validate_labels(&template));
    }
    let pods = pods(&spec);
    let seen = At::new(&pods, &template.path);
    errors.extend(pod_spec::validate_running_template(&seen, &selector, ""));
    errors.extend(pod_spec::validate_always(&template, "StatefulSet"));
    errors
}

fn validate_claim(spec: &At<'_>) -> Vec<FieldError> {
    let modes = spec.get("accessModes");
    let mut errors = Vec::new();
    if modes.is_empty() {
        errors.push(modes.required("at least 1 access mode is required"));
    }
    for mode in modes.items() {
        // The path has no index in the real server either.
        errors.extend(At::new(mode.value, &modes.path).none_or_one_of(&[
            "ReadOnlyMany",
            "ReadWriteMany",
            "ReadWriteOnce",
            "ReadWriteOncePod",
        ]));
    }
    let resources = spec.get("resources");
    let storage = resources.get("requests").get("storage");
    let at = resources.key("storage");
    if !storage.is_set() {
        errors.push(at.required(""));
    } else if Quantity::of(storage.value).is_some_and(|it| it.nanos() <= 0) {
        let detail = "must be greater than zero";
        errors.push(FieldError::invalid(&at.path, storage.value, detail));
    }
    errors
}

/// The template as its pods see it: named by the controller, and with a volume for each claim.
fn pods(spec: &At<'_>) -> Value {
    let mut template = spec.get("template").value.clone();
    let Some(pod) = template.get_mut("spec").and_then(Value::as_object_mut) else {
        return template;
    };
    pod.remove("subdomain");
    pod.remove("hostname");
    let mut claims: Vec<&Value> = Vec::new();
    for claim in spec.get("volumeClaimTemplates").list() {
        let name = &claim["metadata"]["name"];
        if !claims.contains(&name) {
            claims.push(name);
        }
    }
    if claims.is_empty() {
        return template;
    }
    let own = pod.remove("volumes").unwrap_or_else(|| json!([]));
    let mut volumes: Vec<Value> = claims
        .iter()
        .map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}}))
        .collect();
    let own = own.as_array().into_iter().flatten();
    volumes.extend(own.filter(|it| !claims.contains(&&it["name"])).cloned());
    pod.insert("volumes".to_owned(), volumes.into());
    template
}

fn strategy(strategy: &At<'_>) -> Vec<FieldError> {
    let rolling = strategy.get("rollingUpdate");
    match strategy.get("type").text() {
        "OnDelete" if rolling.is_set() => vec![printed(
            &rolling.path,
            &format!(
                "{{\"Partition\":{},\"MaxUnavailable\":{}}}: only allowed for updateStrategy 'RollingUpdate'",
                rolling.get("partition").number(),
                rolling.get("maxUnavailable").value
            ),
        )],
        "OnDelete" => Vec::new(),
        "RollingUpdate" => rolling
            .get("partition")
            .not_negative()
            .into_iter()
            .collect(),
        other => vec![printed(
            &strategy.path,
            &format!(
                "{{\"Type\":{},\"RollingUpdate\":{}}}: must be 'RollingUpdate' or 'OnDelete'",
                json!(other),
                shown(&rolling)
            ),
        )],
    }
}

/// As the real server prints it.
fn shown(rolling: &At<'_>) -> String {
    if !rolling.is_set() {
        return "null".to_owned();
    }
    let partition = rolling.get("partition").number();
    format!("{{\"Partition\":{partition},\"MaxUnavailable\":null}}")
}

/// An invalid value that the real server prints in its own order.
fn printed(field: &str, value_and_detail: &str) -> FieldError {
    FieldError {
        reason: "FieldValueInvalid",
        field: field.to_owned(),
        message: format!("Invalid value: {value_and_detail}"),
    }
}

fn validate_update(old: &Value, new: &Value) -> Vec<FieldError> {
    let mut rest = new["spec"].clone();
    for field in UPDATABLE {
        keep(&old["spec"], &mut rest, field);
    }
    if rest == old["spec"] {
        return Vec::new();
    }
    vec![FieldError::forbidden(
        "spec",
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
         'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    )]
}

fn validate_status(old: &Value, new: &Value) -> Vec<FieldError> {
    let counts = [
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
        "collisionCount",
    ];
    let within = [
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
    ];
    let status = At::root(new, "status");
    let mut errors = rolling::validate_counts(&status, &counts, &within, "status.readyReplicas");
    errors.extend(rolling::validate_collisions(old, new));
    errors
}
