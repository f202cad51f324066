//! Deployment.

use serde_json::{Value, json};

use super::{Rules, at::At, default_status, edit, meta, pod_spec, rolling, spec_changed};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default,
    status: |old, new| meta::keep(meta::of(new), &old["metadata"], "labels"),
    // Annotations are copied to the ReplicaSets, so they count.
    generation: Some(|old, new| {
        let annotations = |it: &Value| it["metadata"]["annotations"].clone();
        spec_changed(old, new) || annotations(old) != annotations(new)
    }),
    validate,
    validate_update: |old, new| {
        let selector = |it| At::root(it, "spec").get("selector");
        selector(new).same_as(&selector(old)).into_iter().collect()
    },
    validate_status,
    ..Rules::PLAIN
};

fn default(object: &mut Value) {
    let spec = edit::slot(object, "spec");
    edit::absent(spec, "replicas", 1);
    edit::absent(spec, "revisionHistoryLimit", 10);
    edit::absent(spec, "progressDeadlineSeconds", 600);
    let strategy = edit::slot(spec, "strategy");
    edit::empty(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        let rolling = edit::slot(strategy, "rollingUpdate");
        edit::absent(rolling, "maxUnavailable", "25%");
        edit::absent(rolling, "maxSurge", "25%");
    }
    pod_spec::default_template(spec);
    default_status(object, &[], &["lastUpdateTime", "lastTransitionTime"]);
}

fn validate(object: &Value) -> Vec<FieldError> {
    let spec = At::root(object, "spec");
    let template = spec.get("template");
    let mut errors = Vec::new();
    errors.extend(spec.get("replicas").not_negative());
    errors.extend(rolling::validate_selector(
        &spec,
        "empty selector is invalid for deployment",
    ));
    let selector = spec.get("selector");
    let unusable = "invalid label selector";
    errors.extend(pod_spec::validate_running_template(
        &template, &selector, unusable,
    ));
    errors.extend(pod_spec::validate_always(&template, "ReplicaSet"));
    errors.extend(strategy(&spec.get("strategy")));
    errors.extend(spec.get("minReadySeconds").not_negative());
    errors.extend(spec.get("revisionHistoryLimit").not_negative());
    let deadline = spec.get("progressDeadlineSeconds");
    errors.extend(deadline.not_negative());
    if deadline.number() <= spec.get("minReadySeconds").number() {
        errors.push(deadline.invalid("must be greater than minReadySeconds"));
    }
    errors
}

fn strategy(strategy: &At<'_>) -> Vec<FieldError> {
    let rolling = strategy.get("rollingUpdate");
    match strategy.get("type").text() {
        "RollingUpdate" => rolling_update(&rolling),
        "Recreate" if rolling.is_set() => {
            vec![rolling.forbidden("may not be specified when strategy `type` is 'Recreate'")]
        }
        "Recreate" => Vec::new(),
        other => vec![FieldError {
            reason: "FieldValueNotSupported",
            field: strategy.path.clone(),
            message: format!(
                "Unsupported value: {{\"Type\":{},\"RollingUpdate\":{}}}: supported values: \"Recreate\", \
                 \"RollingUpdate\"",
                json!(other),
                printed(&rolling),
            ),
        }],
    }
}

/// As the real server prints it.
fn printed(rolling: &At<'_>) -> String {
    let limit = |name| match rolling.get(name).value {
        Value::Null => "0".to_owned(),
        value => value.to_string(),
    };
    if !rolling.is_set() {
        return "null".to_owned();
    }
    format!(
        "{{\"MaxUnavailable\":{},\"MaxSurge\":{}}}",
        limit("maxUnavailable"),
        limit("maxSurge")
    )
}

fn rolling_update(rolling: &At<'_>) -> Vec<FieldError> {
    let unavailable = rolling.get("maxUnavailable");
    let surge = rolling.get("maxSurge");
    let mut errors = int_or_percent(&unavailable);
    errors.extend(int_or_percent(&surge));
    if amount(&unavailable) == 0 && amount(&surge) == 0 {
        errors.push(unavailable.invalid("may not be 0 when `maxSurge` is 0"));
    }
    errors.extend(not_more_than_all(&unavailable));
    errors
}

/// A number that is not negative, or a percentage.
pub(super) fn int_or_percent(at: &At<'_>) -> Vec<FieldError> {
    match at.value {
        Value::String(text) if percentage(text).is_none() => vec![at.invalid(
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex \
             used for validation is '[0-9]+%')",
        )],
        Value::String(_) => Vec::new(),
        _ => at.not_negative().into_iter().collect(),
    }
}

/// A percentage up to 100.
pub(super) fn not_more_than_all(at: &At<'_>) -> Option<FieldError> {
    let percent = percentage(at.text())?;
    (percent > 100).then(|| at.invalid("must not be greater than 100%"))
}

fn amount(at: &At<'_>) -> i64 {
    percentage(at.text()).unwrap_or_else(|| at.number())
}

fn percentage(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(i64::MAX))
}

fn validate_status(old: &Value, new: &Value) -> Vec<FieldError> {
    let counts = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "collisionCount",
    ];
    let within = ["updatedReplicas", "readyReplicas", "availableReplicas"];
    let status = At::root(new, "status");
    let mut errors = rolling::validate_counts(&status, &counts, &within, "readyReplicas");
    errors.extend(rolling::validate_collisions(old, new));
    errors
}
