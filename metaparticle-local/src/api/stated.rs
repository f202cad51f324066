//! What a client states of the object that it means (name, uid, resourceVersion), and what only the server may.

use serde_json::Value;

use super::{
    failure::Failure,
    kinds,
    resource::Resource,
    write::{Write, name_of},
};

/// Why an update from an older version is refused.
pub(super) const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

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
pub(super) fn check_version(
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
                return Err(Failure::conflict(resource, name, MODIFIED));
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
pub(super) fn keep_system_fields(old: &Value, new: &mut Value) {
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
