//! The rules of the kinds: defaults, what a client may set, what is valid. Pure; one kind a file.
//!
//! Objects arrive decoded: their fields are those of the type, and hold values of the type.

mod at;
mod cidr;
mod config_map;
mod controller_revision;
mod cron_job;
mod deployment;
mod edit;
mod endpoint_slice;
mod event;
mod horizontal_pod_autoscaler;
mod ingress;
mod job;
mod job_policy;
mod job_status;
mod labels;
mod lease;
mod meta;
pub(super) mod names;
mod namespace;
mod network_policy;
mod node;
mod pod;
mod pod_disruption_budget;
mod pod_spec;
mod rbac;
mod replica_set;
mod rolling;
mod secret;
mod selector;
pub mod service;
mod service_account;
mod stateful_set;

use serde_json::{Value, json};

use super::{
    failure::{Failure, FieldError},
    resource::Resource,
};

/// How one kind differs from a kind without rules.
struct Rules {
    /// What its names look like.
    name: names::Rule,
    /// What fills absent fields.
    default: fn(&mut Value),
    /// Labels that a new object without any has from its template: they are its maker's, other than those added later.
    lend: fn(&mut Value) -> bool,
    /// What the server itself sets in a new object. `metadata` is done, `status` taken away.
    create: fn(&mut Value),
    /// What becomes of a change beyond `metadata`, `status` and `generation`.
    update: fn(&Value, &mut Value),
    /// What becomes of a change of the status beyond `metadata` and `spec`.
    status: fn(&Value, &mut Value),
    /// Which changes raise `generation`; none if it has none.
    generation: Option<fn(&Value, &Value) -> bool>,
    /// What is wrong only with new objects.
    validate_new: fn(&Value) -> Vec<FieldError>,
    /// What is wrong beyond `metadata`, of new and changed objects.
    validate: fn(&Value) -> Vec<FieldError>,
    /// What must not change.
    validate_update: fn(&Value, &Value) -> Vec<FieldError>,
    /// What is wrong with a changed status beyond `metadata`.
    validate_status: fn(&Value, &Value) -> Vec<FieldError>,
    /// Whether the rules for names and all of `metadata` are asked again when the object changes.
    renamed: bool,
    /// Whether finalizers without a domain have to be known ones.
    known_finalizers: bool,
    /// Whether an update has to name the `resourceVersion`.
    conditional: bool,
}

impl Rules {
    const PLAIN: Self = Self {
        name: names::dns_subdomain,
        default: |_| {},
        lend: |_| false,
        create: |_| {},
        update: |_, _| {},
        status: |_, _| {},
        generation: None,
        validate_new: |_| Vec::new(),
        validate: |_| Vec::new(),
        validate_update: |_, _| Vec::new(),
        validate_status: |_, _| Vec::new(),
        renamed: false,
        known_finalizers: true,
        conditional: false,
    };
}

/// Fills in what the real server fills in when the field is absent. On every write.
pub fn default(resource: &'static Resource, object: &mut Value) {
    (rules(resource).default)(object);
}

/// Does something with a new object while it has the labels of its template, if it has none of its own.
pub fn with_lent_labels(
    resource: &'static Resource,
    object: &mut Value,
    act: impl FnOnce(&mut Value),
) {
    let lent = (rules(resource).lend)(object);
    act(object);
    if lent {
        meta::of(object).remove("labels");
    }
}

/// Before a create: takes away what a client may not set (`status`), sets `generation` where the kind has one, hashes and
/// labels that the API server itself adds (a Job's selector and `controller-uid` labels, Namespace's
/// `kubernetes.io/metadata.name` and finalizer, `Secret.stringData`). `metadata.uid` is set already.
pub fn prepare_create(resource: &'static Resource, object: &mut Value) {
    let rules = rules(resource);
    meta::prepare_create(resource, object);
    if resource.status && resource.kind != "Node" {
        object.as_object_mut().map(|it| it.remove("status"));
    }
    if rules.generation.is_some() {
        meta::set_generation(object, 1);
    }
    (rules.create)(object);
    (rules.default)(object);
}

/// Before an update of the object itself: keeps `status`, raises `generation` when `spec` changed, keeps what cannot be
/// changed silently.
pub fn prepare_update(resource: &'static Resource, old: &Value, new: &mut Value) {
    let rules = rules(resource);
    if resource.status {
        keep(old, new, "status");
    }
    (rules.update)(old, new);
    (rules.default)(new);
    meta::prepare_update(resource, old, new);
    if rules.generation.is_some_and(|changed| changed(old, new)) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
        meta::set_generation(new, generation + 1);
    }
}

/// Before an update of `/status`: keeps everything but the status (and what the real server lets through).
pub fn prepare_status(resource: &'static Resource, old: &Value, new: &mut Value) {
    let rules = rules(resource);
    keep(old, new, "spec");
    (rules.status)(old, new);
    (rules.default)(new);
    meta::prepare_update(resource, old, new);
}

/// Before an update through `/finalize`: keeps the status.
pub(crate) fn prepare_finalize(old: &Value, new: &mut Value) {
    keep(old, new, "status");
}

/// What is wrong with a new object, metadata included; empty if nothing is.
pub fn validate_create(resource: &'static Resource, object: &Value) -> Vec<FieldError> {
    let rules = rules(resource);
    let mut errors = metadata(resource, rules, object);
    errors.extend((rules.validate_new)(object));
    errors.extend((rules.validate)(object));
    if errors.is_empty() {
        errors = meta::validate(resource, object, names::path_segment);
    }
    errors
}

/// What is wrong with a changed object: the rules for new ones, and what must not change. As the real server does, it
/// says what is wrong with `metadata` as often as it looks at it.
pub fn validate_update(resource: &'static Resource, old: &Value, new: &Value) -> Vec<FieldError> {
    let rules = rules(resource);
    let mut errors = meta::validate(resource, new, names::path_segment);
    errors.extend(metadata_update(rules, old, new));
    if rules.renamed {
        errors.extend(metadata(resource, rules, new));
    }
    let (whole, change) = ((rules.validate)(new), (rules.validate_update)(old, new));
    // These are asked first what may not change at all.
    if matches!(resource.kind, "ConfigMap" | "Secret" | "Service") {
        errors.extend(change);
        errors.extend(whole);
    } else {
        errors.extend(whole);
        errors.extend(change);
    }
    errors
}

/// What is wrong with a changed status.
pub fn validate_status(resource: &'static Resource, old: &Value, new: &Value) -> Vec<FieldError> {
    let rules = rules(resource);
    let mut errors = meta::validate(resource, new, names::path_segment);
    errors.extend(metadata_update(rules, old, new));
    errors.extend((rules.validate_status)(old, new));
    errors
}

/// What is wrong with a namespace whose finalizers were changed.
pub(crate) fn validate_finalize(
    resource: &'static Resource,
    old: &Value,
    new: &Value,
) -> Vec<FieldError> {
    let mut errors = meta::validate(resource, new, names::path_segment);
    errors.extend(metadata_update(rules(resource), old, new));
    let finalizers = at::At::root(new, "spec").get("finalizers");
    errors.extend(
        finalizers
            .items()
            .flat_map(|it| namespace::finalizer_errors(&it)),
    );
    errors
}

/// Takes away maps that were sent empty, and says which of them the real server tells from an absent one: Go's is not nil.
pub fn take_empty(resource: &'static Resource, object: &mut Value) -> Option<&'static str> {
    let told = match resource.kind {
        "ConfigMap" => "binaryData",
        "Secret" => "data",
        _ => return None,
    };
    let mut found = None;
    for field in ["data", "binaryData"] {
        let map = object.get(field).and_then(Value::as_object);
        if map.is_some_and(serde_json::Map::is_empty) {
            object.as_object_mut().map(|it| it.remove(field));
            found = found.or((field == told).then_some(told));
        }
    }
    found
}

/// An immutable object without that field must not get an empty one.
#[must_use]
pub fn check_empty(old: &Value, field: &'static str) -> Option<FieldError> {
    let added = old["immutable"] == true && old[field].is_null();
    added.then(|| config_map::is_immutable(field))
}

fn metadata(resource: &Resource, rules: &Rules, object: &Value) -> Vec<FieldError> {
    let mut errors = meta::validate(resource, object, rules.name);
    if rules.known_finalizers {
        errors.extend(meta::validate_known_finalizers(object));
    }
    errors
}

fn metadata_update(rules: &Rules, old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = meta::validate_update(old, new);
    errors.extend(errors.clone());
    if rules.known_finalizers {
        errors.extend(meta::validate_known_finalizers(new));
    }
    errors
}

/// Before an update: some kinds are changed only by those who say which `resourceVersion` they change.
///
/// # Errors
///
/// 422 if it is not said.
pub fn check_resource_version(resource: &'static Resource, new: &Value) -> Result<(), Failure> {
    let meta = at::At::root(new, "metadata");
    let stated = meta.get("resourceVersion");
    if !rules(resource).conditional || !["", "0"].contains(&stated.text()) {
        return Ok(());
    }
    let error = FieldError::invalid(
        "metadata.resourceVersion",
        &json!(0),
        "must be specified for an update",
    );
    let name = meta.get("name").text();
    Err(Failure::invalid_resource(resource, name, &[error]))
}

fn rules(resource: &Resource) -> &'static Rules {
    match resource.kind {
        "Namespace" => &namespace::RULES,
        "Node" => &node::RULES,
        "Pod" => &pod::RULES,
        "Service" => &service::RULES,
        "ConfigMap" => &config_map::RULES,
        "Secret" => &secret::RULES,
        "ServiceAccount" => &service_account::RULES,
        "Event" => &event::RULES,
        "Deployment" => &deployment::RULES,
        "ReplicaSet" => &replica_set::RULES,
        "StatefulSet" => &stateful_set::RULES,
        "ControllerRevision" => &controller_revision::RULES,
        "Job" => &job::RULES,
        "CronJob" => &cron_job::RULES,
        "EndpointSlice" => &endpoint_slice::RULES,
        "Lease" => &lease::RULES,
        "Role" => &rbac::ROLE,
        "RoleBinding" => &rbac::ROLE_BINDING,
        "PodDisruptionBudget" => &pod_disruption_budget::RULES,
        "HorizontalPodAutoscaler" => &horizontal_pod_autoscaler::RULES,
        "Ingress" => &ingress::RULES,
        "NetworkPolicy" => &network_policy::RULES,
        _ => &Rules::PLAIN,
    }
}

/// `generation` follows `spec`.
fn spec_changed(old: &Value, new: &Value) -> bool {
    old["spec"] != new["spec"]
}

/// Makes a field what it was; absent there, absent here.
fn keep(old: &Value, new: &mut Value, field: &str) {
    if let Some(fields) = new.as_object_mut() {
        meta::keep(fields, old, field);
    }
}

/// A `status` that is there even if nothing is in it, with these counts, and these times in its conditions.
fn default_status(object: &mut Value, counts: &[&str], times: &[&str]) {
    let status = edit::slot(object, "status");
    for count in counts {
        edit::absent(status, count, json!(0));
    }
    for condition in edit::items(status, "conditions") {
        for time in times {
            edit::absent(condition, time, Value::Null);
        }
    }
}
