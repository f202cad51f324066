//! Job.

use serde_json::{Map, Value};

use super::{
    Rules, at::At, default_status, edit, job_policy, meta, names, pod_spec, selector, spec_changed,
};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |object| {
        default(object);
        // A new Job's labels come with its selector.
        if !object["spec"]["selector"].is_null() {
            labels_from_template(object);
        }
    },
    lend: labels_from_template,
    create: |object| {
        default(object);
        let labelled = !At::root(object, "spec")
            .get("template")
            .get("metadata")
            .get("labels")
            .is_empty();
        if object["spec"]["manualSelector"] != true {
            generate_selector(object);
        }
        if labelled {
            labels_from_template(object);
        }
    },
    generation: Some(spec_changed),
    validate,
    renamed: true,
    validate_update,
    validate_status: super::job_status::validate,
    ..Rules::PLAIN
};

/// The labels by which a Job's pods are known: its uid and its name, by the old and the new key.
const UID: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];
const NAME: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];

fn default(object: &mut Value) {
    let spec = edit::slot(object, "spec");
    if spec["parallelism"].is_null() {
        edit::absent(spec, "completions", 1);
        edit::absent(spec, "parallelism", 1);
    }
    let limit = if spec["backoffLimitPerIndex"].is_null() {
        6
    } else {
        i32::MAX
    };
    edit::absent(spec, "backoffLimit", limit);
    edit::absent(spec, "completionMode", "NonIndexed");
    edit::absent(spec, "suspend", false);
    let by_policy = !spec["podFailurePolicy"].is_null();
    let replacement = if by_policy {
        "Failed"
    } else {
        "TerminatingOrFailed"
    };
    edit::absent(spec, "podReplacementPolicy", replacement);
    edit::absent(spec, "manualSelector", false);
    job_policy::default(spec);
    pod_spec::default_template(spec);
    default_status(object, &[], &["lastProbeTime", "lastTransitionTime"]);
}

/// A Job without labels has those of its pods. Whether it got them now.
fn labels_from_template(object: &mut Value) -> bool {
    let labels = object["spec"]["template"]["metadata"]["labels"].clone();
    let lends = At::root(object, "metadata").get("labels").is_empty() && labels.is_object();
    if lends {
        meta::of(object).insert("labels".to_owned(), labels);
    }
    lends
}

fn generate_selector(object: &mut Value) {
    let uid = object["metadata"]["uid"].clone();
    let name = object["metadata"]["name"].clone();
    let spec = edit::slot(object, "spec");
    let template = edit::slot(edit::slot(spec, "template"), "metadata");
    let labels = edit::slot(template, "labels");
    for (keys, value) in [(NAME, &name), (UID, &uid)] {
        for key in keys {
            edit::absent(labels, key, value.clone());
        }
    }
    edit::absent(
        edit::slot(edit::slot(spec, "selector"), "matchLabels"),
        UID[1],
        uid,
    );
}

fn validate(object: &Value) -> Vec<FieldError> {
    let spec = At::root(object, "spec");
    let mut errors = Vec::new();
    if spec.get("selector").is_set() && !spec.get("manualSelector").is_true() {
        errors.extend(validate_generated(object));
    }
    errors.extend(validate_spec(&spec));
    errors.extend(validate_selector(&spec));
    // The name of the last pod of an indexed Job is a host's name.
    let completions = spec.get("completions").number();
    if spec.get("completionMode").text() == "Indexed" && completions > 0 {
        let name = At::root(object, "metadata").get("name");
        let host = format!("{}-{}", name.text(), completions - 1);
        if !names::dns_label(&host).is_empty() {
            let detail = format!("will not able to create pod with invalid DNS label: {host}");
            let text = name.text().into();
            errors.push(FieldError::invalid(name.path, &text, &detail));
        }
    }
    errors
}

/// The generated labels are there, whatever the client said.
fn validate_generated(object: &Value) -> Vec<FieldError> {
    let labels = At::root(object, "spec")
        .get("template")
        .get("metadata")
        .get("labels");
    let mut expected = Map::new();
    let mut errors = Vec::new();
    for (keys, field) in [(UID, "uid"), (NAME, "name")] {
        for key in keys {
            expected.insert(key.to_owned(), object["metadata"][field].clone());
        }
    }
    for key in [UID[0], NAME[0], UID[1], NAME[1]] {
        let at = labels.key(key);
        if *at.value != expected[key] {
            let detail = format!("must be '{}'", expected[key].as_str().unwrap_or_default());
            errors.push(FieldError::invalid(at.path, labels.value, &detail));
        }
    }
    let selector = At::root(object, "spec").get("selector");
    if selector::matches(selector.value, &expected.into()) == Some(false) {
        errors.push(selector.invalid("`selector` not auto-generated"));
    }
    errors
}

fn validate_selector(spec: &At<'_>) -> Vec<FieldError> {
    let selector = spec.get("selector");
    let template = spec.get("template");
    if !selector.is_set() {
        return vec![selector.required(""), pod_spec::unmatched_labels(&template)];
    }
    let mut errors = selector::validate(&selector);
    let labels = &template.value["metadata"]["labels"];
    if selector::matches(selector.value, labels) == Some(false) {
        errors.push(pod_spec::unmatched_labels(&template));
    }
    errors
}

/// The spec, of a Job or of the template of a `CronJob`.
pub(super) fn validate_spec(spec: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        errors.extend(spec.get(field).not_negative());
    }
    let per_index = spec.get("backoffLimitPerIndex");
    let max_failed = spec.get("maxFailedIndexes");
    errors.extend(job_policy::managed_by(&spec.get("managedBy")));
    if max_failed.is_set() && !per_index.is_set() {
        errors.push(per_index.required("when maxFailedIndexes is specified"));
    }
    let mode = spec.get("completionMode");
    errors.extend(mode.none_or_one_of(&["NonIndexed", "Indexed"]));
    match mode.text() {
        "Indexed" => errors.extend(indexed(spec)),
        // Absent is the same; empty is neither.
        "" if mode.is_set() => {}
        "" | "NonIndexed" => {
            for limit in [&per_index, &max_failed] {
                let detail = "requires indexed completion mode";
                errors.extend(limit.is_set().then(|| limit.invalid(detail)));
            }
        }
        _ => {}
    }
    errors.extend(job_policy::failure(spec));
    errors.extend(job_policy::success(spec));
    let replacement = spec.get("podReplacementPolicy");
    errors.extend(if spec.get("podFailurePolicy").is_set() {
        replacement.none_or_one_of(&["Failed"])
    } else {
        replacement.none_or_one_of(&["Failed", "TerminatingOrFailed"])
    });
    let template = spec.get("template");
    errors.extend(pod_spec::validate_template(&template));
    let restart = template.get("spec").get("restartPolicy");
    match restart.text() {
        "" | "Always" => errors.push(restart.required(r#"valid values: "OnFailure", "Never""#)),
        "OnFailure" if spec.get("podFailurePolicy").is_set() => errors.push(
            restart.invalid(r#"only "Never" is supported when podFailurePolicy is specified"#),
        ),
        _ => errors.extend(restart.one_of(&["OnFailure", "Never"])),
    }
    errors
}

/// Completions that are told apart.
fn indexed(spec: &At<'_>) -> Vec<FieldError> {
    const MOST: i64 = 100_000;
    let mut errors = Vec::new();
    let completions = spec.get("completions");
    if !completions.is_set() {
        errors.push(completions.required("when completion mode is Indexed"));
    }
    let parallelism = spec.get("parallelism");
    if parallelism.number() > MOST {
        let detail = "must be less than or equal to 100000 when completion mode is Indexed";
        errors.push(parallelism.invalid(detail));
    }
    let failed = spec.get("maxFailedIndexes");
    if completions.is_set() && failed.number() > completions.number() {
        errors.push(failed.invalid("must be less than or equal to completions"));
    }
    if failed.number() > MOST {
        errors.push(failed.invalid("must be less than or equal to 100000"));
    }
    errors
}

fn validate_update(old: &Value, new: &Value) -> Vec<FieldError> {
    let old = At::root(old, "spec");
    let new = At::root(new, "spec");
    let same = |field: &str| new.get(field).same_as(&old.get(field));
    // Once more, as the real server does.
    let mut errors = validate_spec(&new);
    errors.extend(validate_selector(&new));
    let completions = new.get("completions");
    if new.get("completionMode").text() != "Indexed" {
        errors.extend(same("completions"));
    } else if completions.is_set()
        && completions.value != old.get("completions").value
        && completions.value != new.get("parallelism").value
    {
        errors.push(completions.invalid("can only be modified in tandem with spec.parallelism"));
    }
    errors.extend(same("selector"));
    errors.extend(validate_template_update(&old, &new));
    for field in [
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ] {
        errors.extend(same(field));
    }
    errors
}

/// The template is fixed; where its pods may run, and with what, is open as long as the Job is suspended.
fn validate_template_update(old: &At<'_>, new: &At<'_>) -> Option<FieldError> {
    let template = new.get("template");
    let mut before = old.get("template").value.clone();
    if !old.get("suspend").is_true() {
        return template.same_as(&At::new(&before, ""));
    }
    let spec = template.get("spec");
    let before = edit::slot(&mut before, "spec");
    for field in ["nodeSelector", "tolerations", "schedulingGates"] {
        super::keep(spec.value, before, field);
    }
    for (container, now) in edit::items(before, "containers").zip(spec.get("containers").items()) {
        container["resources"] = now.value["resources"].clone();
    }
    spec.same_as(&At::new(before, ""))
}
