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
    store::{Object, State},
};

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

/// Creates an object.
pub(crate) fn create(api: &Api, write: &Write<'_>, object: Value) -> Result<Arc<Object>, Failure> {
    let time = api.clock.seconds();
    api.store
        .with(|state| create_in(api, state, write, object, &time, true))
}

/// Creates an object while the store is held. `track`: ownership of its fields is not known yet.
pub(crate) fn create_in(
    api: &Api,
    state: &mut State,
    write: &Write<'_>,
    mut object: Value,
    time: &str,
    track: bool,
) -> Result<Arc<Object>, Failure> {
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
        apply::track(resource, None, &mut object, write.writer(time));
    }
    stamp(api, state, write, &mut object, time);
    kinds::prepare_create(resource, &mut object);
    admission::create(state, write, &object)?;
    let name = name_of(&object);
    let errors = kinds::validate_create(resource, &object);
    if !errors.is_empty() {
        return Err(Failure::invalid(resource, &name, &errors));
    }
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
    create_in(api, state, &write, account, time, true).map(drop)
}

/// So many names are generated until one is free.
const ATTEMPTS: usize = 8;

/// What the server sets on a new object.
fn stamp(api: &Api, state: &State, write: &Write<'_>, object: &mut Value, time: &str) {
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
        let is_taken = |name: &str| state.get(write.resource, write.namespace, name).is_some();
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

/// Reads, changes and writes an object, alone. No change, no write.
pub(crate) fn update(
    api: &Api,
    write: &Write<'_>,
    name: &str,
    change: impl FnOnce(&Value) -> Result<Changed, Failure>,
) -> Result<Arc<Object>, Failure> {
    let time = api.clock.seconds();
    api.store.with(|state| {
        let current = state.get(write.resource, write.namespace, name);
        let current = Arc::clone(current.ok_or_else(|| Failure::not_found(write.resource, name))?);
        let changed = change(current.value())?;
        update_in(state, write, name, &current, changed, &time)
    })
}

/// Puts an object in the place of another, or creates it where the kind allows that. Whether it is new.
pub(crate) fn replace(
    api: &Api,
    write: &Write<'_>,
    name: &str,
    object: Value,
) -> Result<(Arc<Object>, bool), Failure> {
    let resource = write.resource;
    let time = api.clock.seconds();
    api.store.with(|state| {
        let current = state.get(resource, write.namespace, name).cloned();
        let Some(current) = current else {
            if !resource.is_created_by_put() || write.part != Part::Whole {
                return Err(Failure::not_found(resource, name));
            }
            check_uid(write, name, "", &object)?;
            return Ok((
                create_without_version(api, state, write, object, &time, true)?,
                true,
            ));
        };
        let uid = current.value()["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        check_uid(write, name, &uid, &object)?;
        let changed = Changed::Tracked(object);
        Ok((
            update_in(state, write, name, &current, changed, &time)?,
            false,
        ))
    })
}

/// Creates what an update or apply found no object for. The version of one that is gone says nothing about the new one; a
/// rehearsal repeats it.
fn create_without_version(
    api: &Api,
    state: &mut State,
    write: &Write<'_>,
    mut object: Value,
    time: &str,
    track: bool,
) -> Result<Arc<Object>, Failure> {
    let metadata = object["metadata"].as_object_mut();
    let version = metadata.and_then(|it| it.remove("resourceVersion"));
    let created = create_in(api, state, write, object, time, track)?;
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
    apply: impl FnOnce(Option<&Value>, Writer<'_>) -> Result<Value, Failure>,
) -> Result<(Arc<Object>, bool), Failure> {
    let resource = write.resource;
    let time = api.clock.seconds();
    api.store.with(|state| {
        let current = state.get(resource, write.namespace, name).cloned();
        let Some(current) = current else {
            if write.part != Part::Whole {
                return Err(Failure::not_found(resource, name));
            }
            let object = apply(None, write.writer(&time))?;
            if let Some(uid) = object["metadata"]["uid"].as_str().filter(|it| !it.is_empty()) {
                let why = format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                );
                return Err(Failure::conflict(resource, name, &why));
            }
            return Ok((create_without_version(api, state, write, object, &time, false)?, true));
        };
        let changed = Changed::Ready(apply(Some(current.value()), write.writer(&time))?);
        Ok((
            update_in(state, write, name, &current, changed, &time)?,
            false,
        ))
    })
}

/// Writes a changed object while the store is held.
pub(crate) fn update_in(
    state: &mut State,
    write: &Write<'_>,
    name: &str,
    current: &Arc<Object>,
    changed: Changed,
    time: &str,
) -> Result<Arc<Object>, Failure> {
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
    allocation::allocate(state, write, Some(old), &mut new)?;
    if write.dry_run {
        return Ok(Arc::new(Object::unstored(resource, new)));
    }
    size::check(&new)?;
    let key = (write.namespace.to_owned(), name.to_owned());
    if remove::is_finished(resource, &new) {
        // The last finalizer is gone: the answer is the object as it was written last.
        let last = Arc::new(Object::new(resource, new, current.revision()));
        state.remove(resource, &key);
        return Ok(last);
    }
    if new == **old {
        return Ok(Arc::clone(current));
    }
    Ok(state.put(resource, key, new))
}

/// The object names itself as the path does.
pub(crate) fn check_name(object: &Value, name: &str) -> Result<(), Failure> {
    match &*name_of(object) {
        given if given == name => Ok(()),
        "" => Err(Failure::bad_request(format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        ))),
        given => Err(Failure::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        ))),
    }
}

/// A resourceVersion or uid that the client states must be the stored one.
fn check_version(
    resource: &'static Resource,
    name: &str,
    old: &Value,
    new: &Value,
) -> Result<(), Failure> {
    let stated = |field: &str| new["metadata"][field].as_str().filter(|it| !it.is_empty());
    let stored = |field: &str| old["metadata"][field].as_str().unwrap_or_default();
    kinds::check_resource_version(resource, new)?;
    match stated("resourceVersion") {
        Some(version) if version != "0" => {
            if version.parse::<u64>().is_err() {
                let message = format!("strconv.ParseUint: parsing \"{version}\": invalid syntax");
                return Err(Failure::unreasoned(message));
            }
            if version != stored("resourceVersion") {
                let why = "the object has been modified; please apply your changes to the latest version and try again";
                return Err(Failure::conflict(resource, name, why));
            }
        }
        _ => {}
    }
    Ok(())
}

/// A PUT names the uid of the object that it means.
pub(crate) fn check_uid(
    write: &Write<'_>,
    name: &str,
    stored: &str,
    new: &Value,
) -> Result<(), Failure> {
    let (resource, place) = (write.resource, (write.namespace, name));
    check_stated(resource, place, "UID", &new["metadata"]["uid"], stored).map_err(|mut refused| {
        // A rehearsal is not asked in etcd.
        if write.dry_run {
            refused.message = refused.message.replace("Key: /registry/", "Key: /");
        }
        refused
    })
}

/// What is stated, unless it is empty, is what is stored.
pub(crate) fn check_stated(
    resource: &'static Resource,
    (namespace, name): (&str, &str),
    what: &str,
    stated: &Value,
    stored: &str,
) -> Result<(), Failure> {
    let Some(stated) = stated.as_str().filter(|it| !it.is_empty() && *it != stored) else {
        return Ok(());
    };
    // Where etcd has it; a few kinds have older names there.
    let plural = match resource.kind {
        "Service" => "services/specs",
        "Ingress" => "ingress",
        "Node" => "minions",
        _ => resource.plural,
    };
    let place = if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    };
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{plural}/{place}, ResourceVersion: 0, \
         AdditionalErrorMsg: Precondition failed: {what} in precondition: {stated}, {what} in object meta: {stored}"
    );
    Err(Failure::conflict(resource, name, &why))
}

/// Fields of the metadata that only the server sets; a client that leaves them out keeps them.
fn keep_system_fields(old: &Value, new: &mut Value) {
    for field in [
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "selfLink",
    ] {
        match old["metadata"].get(field) {
            Some(value) => new["metadata"][field] = value.clone(),
            None => {
                if let Some(metadata) = new["metadata"].as_object_mut() {
                    metadata.remove(field);
                }
            }
        }
    }
    for field in ["uid", "namespace"] {
        if new["metadata"][field].as_str().is_none_or(str::is_empty)
            && let Some(value) = old["metadata"].get(field)
        {
            new["metadata"][field] = value.clone();
        }
    }
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
