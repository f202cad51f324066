//! Volumes of a pod and where containers mount them.

use std::collections::BTreeSet;

use super::{
    super::{at::At, names},
    projected,
};
use crate::api::{decode::Quantity, failure::FieldError};

/// In the order in which the real server looks at them.
const SOURCES: [&str; 29] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "flocker",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];

const MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

/// The names of the volumes that are right, and what is wrong with the others.
pub(super) fn validate_all<'a>(volumes: &At<'a>) -> (BTreeSet<&'a str>, Vec<FieldError>) {
    let mut right = BTreeSet::new();
    let mut errors = Vec::new();
    for volume in volumes.items() {
        let name = volume.get("name");
        let mut wrong = sources(&volume);
        if name.is_empty() {
            wrong.push(name.required(""));
        } else {
            wrong.extend(name.all_invalid(names::dns_label(name.text())));
        }
        if right.contains(name.text()) {
            wrong.push(name.duplicate());
        }
        if wrong.is_empty() {
            right.insert(name.text());
        }
        errors.extend(wrong);
    }
    (right, errors)
}

/// `volumeMounts`.
pub(super) fn validate_mounts(mounts: &At<'_>, volumes: &BTreeSet<&str>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut paths = BTreeSet::new();
    for mount in mounts.items() {
        let name = mount.get("name");
        if name.is_empty() {
            errors.push(name.required(""));
        }
        if !volumes.contains(name.text()) {
            errors.push(FieldError::not_found(&name.path, &name.text().into()));
        }
        let path = mount.get("mountPath");
        if path.is_empty() {
            errors.push(path.required(""));
        }
        if !paths.insert(path.text()) {
            errors.push(path.invalid("must be unique"));
        }
        for field in ["subPath", "subPathExpr"] {
            let below = mount.get(field);
            // The path has no index in the real server either.
            let at = At::new(below.value, format!("{}.{field}", mounts.path));
            if field == "subPathExpr" && !below.is_empty() && !mount.get("subPath").is_empty() {
                errors.push(below.invalid("subPathExpr and subPath are mutually exclusive"));
            }
            if !below.is_empty() {
                errors.extend(descending(&at));
            }
        }
    }
    errors
}

fn sources(volume: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut found = false;
    for source in SOURCES {
        let at = volume.get(source);
        if !at.is_set() {
            continue;
        }
        if found {
            errors.push(at.forbidden("may not specify more than 1 volume type"));
            continue;
        }
        found = true;
        errors.extend(match source {
            "emptyDir" => empty_dir(&at),
            "hostPath" => host_path(&at),
            "configMap" => files(&at, "name"),
            "secret" => files(&at, "secretName"),
            "persistentVolumeClaim" if at.get("claimName").is_empty() => {
                vec![at.get("claimName").required("")]
            }
            "downwardAPI" => projected::downward_api(&at),
            "projected" => projected::validate(&at),
            _ => Vec::new(),
        });
    }
    if !found {
        errors.push(volume.required("must specify a volume type"));
    }
    errors
}

fn empty_dir(source: &At<'_>) -> Vec<FieldError> {
    let limit = source.get("sizeLimit");
    let negative = Quantity::of(limit.value).is_some_and(|it| it.nanos() < 0);
    let detail = "SizeLimit field must be a valid resource quantity";
    negative
        .then(|| limit.forbidden(detail))
        .into_iter()
        .collect()
}

fn host_path(source: &At<'_>) -> Vec<FieldError> {
    let path = source.get("path");
    if path.is_empty() {
        return vec![path.required("")];
    }
    let kind = source.get("type");
    let kinds = [
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    ];
    let mut errors: Vec<FieldError> = no_backsteps(&path).into_iter().collect();
    if !kinds.contains(&kind.text()) {
        errors.push(FieldError::not_supported(&kind.path, kind.value, &kinds));
    }
    errors
}

/// Keys of a ConfigMap or Secret as files.
pub(super) fn files(source: &At<'_>, name: &str) -> Vec<FieldError> {
    let name = source.get(name);
    let mut errors = Vec::new();
    if name.is_empty() {
        errors.push(name.required(""));
    }
    errors.extend(mode(&source.get("defaultMode")));
    for item in source.get("items").items() {
        for field in ["key", "path"] {
            let at = item.get(field);
            errors.extend(at.is_empty().then(|| at.required("")));
        }
        let path = item.get("path");
        errors.extend(below(&path));
        errors.extend(mode(&item.get("mode")));
    }
    errors
}

pub(super) fn mode(mode: &At<'_>) -> Option<FieldError> {
    (!(0..=0o777).contains(&mode.number())).then(|| mode.invalid(MODE))
}

/// A path below something that does not begin as the hidden files of a volume do.
pub(super) fn below(path: &At<'_>) -> Vec<FieldError> {
    let mut errors = descending(path);
    if path.text().starts_with("..") && !path.text().starts_with("../") {
        errors.push(path.invalid("must not start with '..'"));
    }
    errors
}

/// A path below something.
pub(super) fn descending(path: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if path.text().starts_with('/') {
        errors.push(path.invalid("must be a relative path"));
    }
    errors.extend(no_backsteps(path));
    errors
}

fn no_backsteps(path: &At<'_>) -> Option<FieldError> {
    let back = path.text().split('/').any(|part| part == "..");
    back.then(|| path.invalid("must not contain '..'"))
}
