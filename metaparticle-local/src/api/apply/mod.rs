//! Server-side apply: who owns which field, and what an applied configuration changes.
//!
//! As `structured-merge-diff` and the API server's field managers do it. [`track`] is for create, update and the
//! patches, [`apply`] for apply. Both come after defaulting and before what the kind itself changes (`generation`,
//! `status`), so that nobody owns what nobody wrote; [`settle`] comes last.

mod compare;
mod conflict;
mod fields;
mod last_applied;
mod managers;
mod merge;
mod scale;
mod set;
mod validate;
mod walk;

use std::sync::LazyLock;

use serde_json::{Map, Value};

pub use self::scale::{own_scale, own_workload};
use self::{
    compare::Difference,
    managers::{Entry, Identity, Managers},
    set::Set,
};
use super::{
    decode::{self, FieldValidation},
    failure::Failure,
    resource::Resource,
    schema::{self, Shape},
};

/// Who owned the fields of an object before the first apply, if nobody was tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Who writes, how, when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// `fieldManager`, or what stands for it.
    pub manager: &'a str,
    /// `status`, `scale`; none for the object itself.
    pub subresource: Option<&'static str>,
    /// Now, as Kubernetes writes `Time`.
    pub time: &'a str,
}

/// The body of an apply request: YAML or JSON, and what is to be told of it.
///
/// # Errors
/// 400 for text that is no object, and (if `validation` is strict) for repeated keys.
pub fn read(body: &[u8], validation: FieldValidation) -> Result<(Value, Vec<String>), Failure> {
    let refused = |problem: String| Failure::bad_request(format!("error decoding YAML: {problem}"));
    let (document, repeated) = decode::read_yaml(body)
        .map_err(|problem| refused(format!("error converting YAML to JSON: {problem}")))?;
    let config = document.into_value();
    if !config.is_object() && !config.is_null() {
        let found = decode::Document::from(config);
        let found = found.go_kind();
        return Err(refused(format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
        )));
    }
    match validation {
        FieldValidation::Ignore => Ok((config, Vec::new())),
        FieldValidation::Strict if !repeated.is_empty() => {
            let problems = repeated.join("\n  ");
            Err(Failure::bad_request(format!(
                "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  {problems}"
            )))
        }
        _ => Ok((config, repeated)),
    }
}

/// The object that results from applying `config` to `current` (none: it is created), with `metadata.managedFields`.
/// `config` is as it was sent ([`read`]), neither decoded nor defaulted; the result is decoded and has to be defaulted.
///
/// # Errors
/// 400 for another kind or `managedFields`, 409 with one cause a field for conflicts (unless `force`), 500 for unknown
/// fields and wrong types, as the real server.
pub fn apply(
    resource: &'static Resource,
    current: Option<&Value>,
    config: &Value,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, Failure> {
    let about = about(config);
    check_kind(resource, config)?;
    let shape = schema::shape(resource);
    if !matches!(
        config.pointer("/metadata/managedFields"),
        None | Some(Value::Null)
    ) {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    validate::validate(shape, config).map_err(|problem| {
        unexpected(format!(
            "failed to create typed patch object ({about}): {problem}"
        ))
    })?;
    let applier = Applier {
        resource,
        shape,
        config,
        writer,
    };
    let (live, managers) = applier.live(current)?;
    let merged = match applier.merge(&live, managers.clone(), force) {
        Err(conflicts) if writer.manager == last_applied::MANAGER => {
            let allowed = last_applied::own_fields(resource, shape, &live);
            let left = conflicts.without(&allowed);
            if left.is_empty() {
                applier.merge(&live, managers, true)
            } else {
                Err(left)
            }
        }
        merged => merged,
    };
    let (mut merged, managers) = merged.map_err(|conflicts| conflicts.refused())?;
    if writer.manager == last_applied::MANAGER {
        last_applied::renew(&mut merged, config);
    }
    let (mut object, _) = decode::typed_unstructured(resource, merged).map_err(|problem| {
        let kind = gvk(config);
        unexpected(format!(
            "failed to convert new object ({about}) to proper version: unable to convert unstructured object to {kind}: {problem}"
        ))
    })?;
    decode::forget_empty_lists(resource, &mut object);
    managers.write(&mut object);
    Ok(match current {
        Some(current) if same_but_times(current, &object) => current.clone(),
        _ => object,
    })
}

/// Writes into `new.metadata.managedFields` what this create (`old` is none), update or patch owns from now on, and
/// takes from others what it changed or removed. A `managedFields` that the client sent as `[]` or `[{}]` clears it.
pub fn track(
    resource: &'static Resource,
    old: Option<&Value>,
    new: &mut Value,
    writer: Writer<'_>,
) {
    let mut managers = sent_or_live(old, new, writer);
    Managers::default().write(new);
    managers = match old {
        // Nobody is tracked until the next apply.
        Some(_) if managers.is_empty() => managers,
        Some(old) => update(resource, old, new, managers, writer),
        None => update(resource, &decode::empty(resource), new, managers, writer),
    };
    managers.write(new);
    decode::forget_empty_lists(resource, new);
}

/// Takes the old managers when nothing but their times differs: a write that changes nothing is none.
pub fn settle(old: &Value, new: &mut Value) {
    if same_but_times(old, new) {
        new.clone_from(old);
    }
}

/// What an update leaves of the managers; `self` comes in when something changed.
fn update(
    resource: &'static Resource,
    old: &Value,
    new: &Value,
    mut managers: Managers,
    writer: Writer<'_>,
) -> Managers {
    let api_version = resource.api_version();
    let subresource = writer.subresource.unwrap_or_default();
    managers.clean(&api_version);
    let ignored = reset_fields(resource, writer.subresource);
    let found = compare::compare(schema::shape(resource), old, new).without(&ignored);
    take(&mut managers, &found, None);
    let own = found.modified.union(found.added).difference(&STRIPPED);
    if !own.is_empty() {
        let who = Identity::new(writer.manager, false, &api_version, subresource);
        let before = managers.get(&who).map(|entry| entry.fields.clone());
        managers.put(Entry {
            who,
            api_version,
            time: Some(writer.time.to_owned()),
            fields: before.unwrap_or_default().union(own),
        });
    }
    managers.cap();
    managers
}

/// Takes from all but `from` what was changed and what was removed.
fn take(managers: &mut Managers, found: &Difference, except: Option<&Identity>) {
    for entry in managers.iter_mut().filter(|it| Some(&it.who) != except) {
        let fields = &entry.fields;
        let fields = fields.difference(&found.modified).difference(&found.added);
        entry.fields = fields.difference(&found.removed);
    }
    managers.drop_empty();
}

struct Applier<'a> {
    resource: &'static Resource,
    shape: &'static Shape,
    config: &'a Value,
    writer: Writer<'a>,
}

impl Applier<'_> {
    /// The live object without `managedFields`, and its managers; one that was never tracked has one for all fields.
    fn live(&self, current: Option<&Value>) -> Result<(Value, Managers), Failure> {
        let Some(current) = current else {
            return Ok((decode::empty(self.resource), Managers::default()));
        };
        let mut managers = Managers::read(current)
            .ok_or_else(|| unexpected("failed to decode managed fields: they are invalid"))?;
        let mut live = current.clone();
        Managers::default().write(&mut live);
        if managers.is_empty() {
            let before = Writer {
                manager: BEFORE_FIRST_APPLY,
                ..self.writer
            };
            managers = update(
                self.resource,
                &decode::empty(self.resource),
                &live,
                managers,
                before,
            );
        }
        managers.clean(&self.resource.api_version());
        Ok((live, managers))
    }

    /// The merged object and its managers.
    fn merge(
        &self,
        live: &Value,
        mut managers: Managers,
        force: bool,
    ) -> Result<(Value, Managers), conflict::Conflicts> {
        let api_version = self.resource.api_version();
        let subresource = self.writer.subresource.unwrap_or_default();
        let who = Identity::new(self.writer.manager, true, &api_version, subresource);
        let ignored = reset_fields(self.resource, self.writer.subresource);
        let merged = merge::merge(self.shape, live, self.config);
        let before = managers.get(&who).cloned();
        managers.put(Entry {
            who: who.clone(),
            api_version,
            time: before.as_ref().and_then(|entry| entry.time.clone()),
            fields: fields::of(self.shape, self.config).without(&ignored),
        });
        let merged = match before {
            Some(before) => self.prune(merged, &managers, &before.fields),
            None => merged,
        };
        let found = compare::compare(self.shape, live, &merged).without(&ignored);
        if !force {
            let conflicts = conflict::Conflicts::of(&managers, &found, &who);
            if !conflicts.is_empty() {
                return Err(conflicts);
            }
        }
        take(&mut managers, &found, Some(&who));
        if let Some(own) = managers.iter_mut().find(|entry| entry.who == who) {
            own.fields = own.fields.difference(&STRIPPED);
            if !walk::equal(live, &merged) {
                own.time = Some(self.writer.time.to_owned());
            }
        }
        managers.drop_empty();
        Ok((merged, managers))
    }

    /// Without what the manager applied before, has dropped now, and nobody else owns.
    fn prune(&self, merged: Value, managers: &Managers, last: &Set) -> Value {
        if last.is_empty() {
            return merged;
        }
        let shape = self.shape;
        let parents = |set: &Set| fields::with_parents(shape, set);
        let all_of = |value: &Value| parents(&fields::of(shape, value));
        let last = parents(last);
        let pruned = fields::without(shape, &merged, &last);
        let owned = managers.iter().map(|entry| entry.fields.clone());
        let owned = parents(&owned.fold(Set::default(), Set::union));
        let in_merged = all_of(&merged);
        let kept = all_of(&pruned).union(owned);
        let pruned = fields::without(shape, &merged, &in_merged.difference(&kept));
        // Nothing but what the manager had applied goes.
        let gone = in_merged.difference(&all_of(&pruned)).intersection(&last);
        fields::without(shape, &merged, &gone)
    }
}

/// The managers that the client sent, if it may and did; else those of the live object.
fn sent_or_live(old: Option<&Value>, new: &Value, writer: Writer<'_>) -> Managers {
    let live = || old.and_then(Managers::read).unwrap_or_default();
    if writer.subresource.is_some() {
        return live();
    }
    match new
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
    {
        None => live(),
        Some(sent) if sent.is_empty() || is_reset(sent) => Managers::default(),
        Some(_) => Managers::read(new)
            .filter(|it| !it.is_empty())
            .unwrap_or_else(live),
    }
}

fn is_reset(sent: &[Value]) -> bool {
    matches!(sent, [Value::Object(one)] if one.is_empty())
}

/// What a writer never owns: the status, or all but the status.
fn reset_fields(resource: &Resource, subresource: Option<&str>) -> Set {
    let mut reset = Set::default();
    let mut add = |path: &[&str]| {
        let path: Vec<_> = path.iter().map(|name| set::field(name)).collect();
        reset.insert(&path);
    };
    match subresource {
        None if resource.status => add(&["status"]),
        Some("status") => {
            add(&["spec"]);
            match resource.kind {
                "Deployment" => add(&["metadata", "labels"]),
                "Pod" => {
                    add(&["metadata", "deletionTimestamp"]);
                    add(&["metadata", "ownerReferences"]);
                }
                _ => {}
            }
        }
        _ => {}
    }
    reset
}

/// What nobody owns.
static STRIPPED: LazyLock<Set> = LazyLock::new(|| {
    const OF_METADATA: [&str; 9] = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    let mut stripped = Set::default();
    for name in ["apiVersion", "kind", "metadata"] {
        stripped.insert(&[set::field(name)]);
    }
    for name in OF_METADATA {
        stripped.insert(&[set::field("metadata"), set::field(name)]);
    }
    stripped
});

fn same_but_times(old: &Value, new: &Value) -> bool {
    same_but("metadata", old, new, |old, new| {
        same_but("managedFields", old, new, |old, new| {
            let (old, new) = (walk::items(Some(old)), walk::items(Some(new)));
            let same = |(old, new)| same_but("time", old, new, |_, _| true);
            old.len() == new.len() && old.iter().zip(new).all(same)
        })
    })
}

/// Whether two maps are equal, of which one field is compared in another way.
fn same_but(name: &str, old: &Value, new: &Value, same: impl Fn(&Value, &Value) -> bool) -> bool {
    let (old, new) = (walk::fields(Some(old)), walk::fields(Some(new)));
    let rest = |fields| Map::iter(fields).filter(|(other, _)| *other != name);
    rest(old).eq(rest(new))
        && same(
            old.get(name).unwrap_or(&Value::Null),
            new.get(name).unwrap_or(&Value::Null),
        )
}

fn check_kind(resource: &Resource, config: &Value) -> Result<(), Failure> {
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("apiVersion") == resource.api_version() && text("kind") == resource.kind {
        return Ok(());
    }
    let kind = gvk(config);
    Err(Failure::bad_request(format!("invalid object type: {kind}")))
}

/// `apps/v1, Kind=Deployment`.
fn gvk(config: &Value) -> String {
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{slash}{api_version}, Kind={kind}")
}

/// `namespace/name; apps/v1, Kind=Deployment`.
fn about(config: &Value) -> String {
    let text = |path: &str| {
        config
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    format!("{namespace}/{name}; {}", gvk(config))
}

fn unexpected(message: impl Into<String>) -> Failure {
    Failure::new(500, "", message)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
