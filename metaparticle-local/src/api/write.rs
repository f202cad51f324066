//! Creates and updates: what every write goes through, whoever sends it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Api, admission, allocation,
    apply::{self, Writer},
    failure::Failure,
    kinds, remove,
    resource::{self, Resource},
    size,
    stated::{MODIFIED, check_version, keep_system_fields},
    store::{Object, State},
};

pub(crate) use super::stated::{check_name, check_stated, check_uid};

/// Which part of an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status.
    Whole,
    /// The status.
    Status,
    /// `spec.replicas`, through `/scale`.
    Scale,
    /// `spec.finalizers` of a namespace.
    Finalize,
    /// `spec.nodeName` of a pod.
    Binding,
}

/// Where and in whose name to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write<'a> {
    pub(crate) resource: &'static Resource,
    pub(crate) namespace: &'a str,
    pub(crate) manager: &'a str,
    pub(crate) part: Part,
    /// Check everything, store nothing.
    pub(crate) dry_run: bool,
}

/// What an update makes of an object.
#[derive(Debug)]
pub(crate) enum Changed {
    /// A new object; who owns which field is still to be worked out.
    Tracked(Value),
    /// A new object with its `managedFields`.
    Ready(Value),
}

impl<'a> Write<'a> {
    pub(crate) fn new(resource: &'static Resource, namespace: &'a str, manager: &'a str) -> Self {
        Self {
            resource,
            namespace,
            manager,
            part: Part::Whole,
            dry_run: false,
        }
    }

    pub(crate) fn to(self, part: Part) -> Self {
        Self { part, ..self }
    }

    pub(crate) fn writer<'t>(&self, time: &'t str) -> Writer<'t>
    where
        'a: 't,
    {
        let subresource = match self.part {
            Part::Whole => None,
            Part::Status => Some("status"),
            Part::Scale => Some("scale"),
            Part::Finalize => Some("finalize"),
            Part::Binding => Some("binding"),
        };
        Writer {
            manager: self.manager,
            subresource,
            time,
        }
    }
}

/// How often a write is worked out anew because somebody else was faster. Each time somebody else got on.
const TRIES: usize = 100;

/// Creates an object.
pub(crate) fn create(api: &Api, write: &Write<'_>, object: Value) -> Result<Arc<Object>, Failure> {
    create_new(api, write, object, &api.clock.seconds(), true)
}

/// Creates an object. `track`: ownership of its fields is not known yet.
///
/// All that takes time happens while the store is free.
fn create_new(
    api: &Api,
    write: &Write<'_>,
    object: Value,
    time: &str,
    track: bool,
) -> Result<Arc<Object>, Failure> {
    let is_taken = |name: &str| current(api, write, name).is_some();
    let object = prepare(api, write, object, time, track, is_taken)?;
    // Told before what is wrong with the object itself.
    api.store
        .with(|state| admission::create(state, write, &object))?;
    validate(write, &object)?;
    api.store.with(|state| {
        // It may have changed meanwhile.
        admission::create(state, write, &object)?;
        store_new(api, state, write, object, time)
    })
}

/// What is filled in before anybody looks at the new object.
fn prepare(
    api: &Api,
    write: &Write<'_>,
    mut object: Value,
    time: &str,
    track: bool,
    is_taken: impl Fn(&str) -> bool,
) -> Result<Value, Failure> {
    let resource = write.resource;
    if object["metadata"]["resourceVersion"]
        .as_str()
        .is_some_and(|it| !it.is_empty())
    {
        return Err(Failure::unreasoned(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    object["apiVersion"] = resource.api_version().into();
    object["kind"] = resource.kind.into();
    kinds::take_empty(resource, &mut object);
    kinds::default(resource, &mut object);
    // What is filled in from here on has no owner.
    if track {
        kinds::with_lent_labels(resource, &mut object, |object| {
            apply::track(resource, None, object, write.writer(time));
        });
    }
    stamp(api, write, &mut object, time, is_taken);
    kinds::prepare_create(resource, &mut object);
    Ok(object)
}

fn validate(write: &Write<'_>, object: &Value) -> Result<(), Failure> {
    let errors = kinds::validate_create(write.resource, object);
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(write.resource, &name_of(object), &errors))
}

fn store_new(
    api: &Api,
    state: &mut State,
    write: &Write<'_>,
    mut object: Value,
    time: &str,
) -> Result<Arc<Object>, Failure> {
    let resource = write.resource;
    let name = name_of(&object);
    allocation::allocate(state, write, None, &mut object)?;
    if let Some(there) = state.get(resource, write.namespace, &name) {
        let mut failure = Failure::already_exists(resource, &name);
        if !there.value()["metadata"]["deletionTimestamp"].is_null() {
            failure.message.insert_str(0, "object is being deleted: ");
        }
        return Err(failure);
    }
    if write.dry_run {
        return Ok(Arc::new(Object::unstored(resource, object)));
    }
    size::check(&object)?;
    let namespace = (resource.index() == resource::NAMESPACE.index()).then(|| name.clone());
    let stored = state.put(resource, (write.namespace.to_owned(), name), object);
    if let Some(namespace) = namespace {
        service_account(api, state, &namespace, time)?;
    }
    Ok(stored)
}

/// Every namespace has a service account `default`; pods name it.
fn service_account(
    api: &Api,
    state: &mut State,
    namespace: &str,
    time: &str,
) -> Result<(), Failure> {
    // What an earlier namespace of this name left behind serves this one.
    if state
        .get(&resource::SERVICE_ACCOUNT, namespace, "default")
        .is_some()
    {
        return Ok(());
    }
    let write = Write::new(
        &resource::SERVICE_ACCOUNT,
        namespace,
        "kube-controller-manager",
    );
    let account = json!({"metadata": {"name": "default", "namespace": namespace}});
    let account = prepare(api, &write, account, time, true, |_| false)?;
    admission::create(state, &write, &account)?;
    validate(&write, &account)?;
    store_new(api, state, &write, account, time).map(drop)
}

/// So many names are generated until one is free.
const ATTEMPTS: usize = 8;

/// What the server sets on a new object.
fn stamp(
    api: &Api,
    write: &Write<'_>,
    object: &mut Value,
    time: &str,
    is_taken: impl Fn(&str) -> bool,
) {
    let metadata = &mut object["metadata"];
    let generated = metadata["generateName"]
        .as_str()
        .filter(|it| !it.is_empty());
    if metadata["name"].as_str().is_none_or(str::is_empty)
        && let Some(prefix) = generated
    {
        // 63 characters at most, the random ones included.
        let prefix: String = prefix.chars().take(58).collect();
        let name = || format!("{prefix}{}", api.random.suffix());
        let mut names = std::iter::repeat_with(name).take(ATTEMPTS);
        let free = names.find(|it| !is_taken(it));
        metadata["name"] = free.unwrap_or_else(name).into();
    }
    if write.resource.namespaced {
        metadata["namespace"] = write.namespace.into();
    }
    metadata["uid"] = api.random.uid().into();
    metadata["creationTimestamp"] = time.into();
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.remove("resourceVersion");
    }
}

/// Reads, changes and writes an object, as if alone: if somebody else was faster, once more. No change, no write.
///
/// `change` runs while the store is free.
pub(crate) fn update(
    api: &Api,
    write: &Write<'_>,
    name: &str,
    change: impl Fn(&Value) -> Result<Changed, Failure>,
) -> Result<Arc<Object>, Failure> {
    let time = api.clock.seconds();
    again(write, name, || {
        let current = current(api, write, name);
        let current = current.ok_or_else(|| Failure::not_found(write.resource, name))?;
        let changed = change(current.value())?;
        update_from(api, write, name, &current, changed, &time)
    })
}

/// Puts an object in the place of another, or creates it where the kind allows that. Whether it is new.
pub(crate) fn replace(
    api: &Api,
    write: &Write<'_>,
    name: &str,
    object: &Value,
) -> Result<(Arc<Object>, bool), Failure> {
    let resource = write.resource;
    let time = api.clock.seconds();
    again(write, name, || {
        let Some(current) = current(api, write, name) else {
            if !resource.is_created_by_put() || write.part != Part::Whole {
                return Err(Failure::not_found(resource, name));
            }
            check_uid(write, name, "", object)?;
            let created = unless_there(create_without_version(
                api,
                write,
                object.clone(),
                &time,
                true,
            ))?;
            return Ok(created.map(|it| (it, true)));
        };
        let uid = current.value()["metadata"]["uid"]
            .as_str()
            .unwrap_or_default();
        check_uid(write, name, uid, object)?;
        let changed = Changed::Tracked(object.clone());
        let updated = update_from(api, write, name, &current, changed, &time)?;
        Ok(updated.map(|it| (it, false)))
    })
}

/// Creates what an update or apply found no object for. The version of one that is gone says nothing about the new one; a
/// rehearsal repeats it.
fn create_without_version(
    api: &Api,
    write: &Write<'_>,
    mut object: Value,
    time: &str,
    track: bool,
) -> Result<Arc<Object>, Failure> {
    let metadata = object["metadata"].as_object_mut();
    let version = metadata.and_then(|it| it.remove("resourceVersion"));
    let created = create_new(api, write, object, time, track)?;
    let Some(version) = version.filter(|_| write.dry_run) else {
        return Ok(created);
    };
    let mut rehearsed = (**created.value()).clone();
    rehearsed["metadata"]["resourceVersion"] = version;
    Ok(Arc::new(Object::unstored(write.resource, rehearsed)))
}

/// Applies to what is there, or creates it. Whether it is new.
pub(crate) fn apply(
    api: &Api,
    write: &Write<'_>,
    name: &str,
    apply: impl Fn(Option<&Value>, Writer<'_>) -> Result<Value, Failure>,
) -> Result<(Arc<Object>, bool), Failure> {
    let resource = write.resource;
    let time = api.clock.seconds();
    again(write, name, || {
        let Some(current) = current(api, write, name) else {
            if write.part != Part::Whole {
                return Err(Failure::not_found(resource, name));
            }
            let object = apply(None, write.writer(&time))?;
            if let Some(uid) = object["metadata"]["uid"]
                .as_str()
                .filter(|it| !it.is_empty())
            {
                let why = format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                );
                return Err(Failure::conflict(resource, name, &why));
            }
            let created = unless_there(create_without_version(api, write, object, &time, false))?;
            return Ok(created.map(|it| (it, true)));
        };
        let changed = Changed::Ready(apply(Some(current.value()), write.writer(&time))?);
        let updated = update_from(api, write, name, &current, changed, &time)?;
        Ok(updated.map(|it| (it, false)))
    })
}

fn current(api: &Api, write: &Write<'_>, name: &str) -> Option<Arc<Object>> {
    api.store
        .with(|state| state.get(write.resource, write.namespace, name).cloned())
}

/// Tries until nobody else came between.
fn again<T>(
    write: &Write<'_>,
    name: &str,
    attempt: impl Fn() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    for _ in 0..TRIES {
        if let Some(done) = attempt()? {
            return Ok(done);
        }
    }
    Err(Failure::conflict(write.resource, name, MODIFIED))
}

/// Nothing if somebody else created it first.
fn unless_there(created: Result<Arc<Object>, Failure>) -> Result<Option<Arc<Object>>, Failure> {
    match created {
        Err(failure) if failure.reason == "AlreadyExists" => Ok(None),
        other => other.map(Some),
    }
}

/// Works out what to store instead of `current` while the store is free, and stores it, unless `current` is not what
/// is stored any more.
fn update_from(
    api: &Api,
    write: &Write<'_>,
    name: &str,
    current: &Arc<Object>,
    changed: Changed,
    time: &str,
) -> Result<Option<Arc<Object>>, Failure> {
    let resource = write.resource;
    let old = current.value();
    let (mut new, track) = match changed {
        Changed::Tracked(new) => (new, true),
        Changed::Ready(new) => (new, false),
    };
    check_name(&new, name)?;
    check_version(resource, name, old, &new)?;
    new["apiVersion"] = resource.api_version().into();
    new["kind"] = resource.kind.into();
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
    let empty = kinds::take_empty(resource, &mut new);
    kinds::default(resource, &mut new);
    // What is filled in from here on has no owner.
    if track {
        apply::track(resource, Some(old), &mut new, write.writer(time));
    }
    keep_system_fields(old, &mut new);
    match write.part {
        Part::Status => kinds::prepare_status(resource, old, &mut new),
        Part::Whole | Part::Scale => kinds::prepare_update(resource, old, &mut new),
        Part::Finalize => kinds::prepare_finalize(old, &mut new),
        Part::Binding => {}
    }
    apply::settle(old, &mut new);
    let mut errors = match write.part {
        Part::Status => kinds::validate_status(resource, old, &new),
        Part::Whole | Part::Scale => kinds::validate_update(resource, old, &new),
        Part::Finalize => kinds::validate_finalize(resource, old, &new),
        Part::Binding => Vec::new(),
    };
    errors.extend(empty.and_then(|field| kinds::check_empty(old, field)));
    if !errors.is_empty() {
        return Err(Failure::invalid(resource, name, &errors));
    }
    api.store.with(|state| {
        let stored = state.get(resource, write.namespace, name);
        if !stored.is_some_and(|stored| Arc::ptr_eq(stored, current)) {
            return Ok(None);
        }
        allocation::allocate(state, write, Some(old), &mut new)?;
        if write.dry_run {
            return Ok(Some(Arc::new(Object::unstored(resource, new))));
        }
        size::check(&new)?;
        let key = (write.namespace.to_owned(), name.to_owned());
        if remove::is_finished(resource, &new) {
            // The last finalizer is gone: the answer is the object as it was written last.
            let last = Arc::new(Object::new(resource, new, current.revision()));
            state.remove(resource, &key);
            return Ok(Some(last));
        }
        if new == **old {
            return Ok(Some(Arc::clone(current)));
        }
        Ok(Some(state.put(resource, key, new)))
    })
}

pub(crate) fn name_of(object: &Value) -> String {
    object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn generated_name_that_is_taken_is_generated_again() {
        let mut api = Api::new(Some(1));
        let mut made = || {
            api.random = Arc::new(Random::new(Some(5)));
            let map = json!({"metadata": {"generateName": "a-"}});
            api.create(&resource::CONFIG_MAP, "default", map, "test")
        };
        let first = made().unwrap();
        let second = made().unwrap();
        assert_ne!(first["metadata"]["name"], second["metadata"]["name"]);
    }

    #[test]
    fn namespace_takes_over_the_account_that_another_left_behind() {
        let api = Api::new(Some(1));
        let key = (String::new(), "default".to_owned());
        api.store
            .with(|state| state.remove(&resource::NAMESPACE, &key));
        let namespace = json!({"metadata": {"name": "default"}});
        api.create(&resource::NAMESPACE, "", namespace, "test")
            .unwrap();
    }
}
