//! Volumes as files: each is a folder with its name, below one folder of the pod.
//!
//! What they hold is decided by [`contents`], which is pure. It is written when the pod starts and does not follow later
//! changes.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Component, Path, PathBuf},
};

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, Container, DownwardAPIProjection, DownwardAPIVolumeFile, KeyToPath, Pod,
    SecretProjection, Volume, VolumeProjection,
};

use super::{
    environment::{self, Holder, Lookup, Place},
    ignored,
};

/// Mode of a file that says none.
const MODE: i32 = 0o644;

/// A file of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Within the volume.
    path: PathBuf,
    bytes: Vec<u8>,
    mode: u32,
}

/// The volumes of a pod, by name, with their files.
///
/// # Errors
/// What is missing, in the kubelet's words.
pub(crate) fn contents(
    pod: &Pod,
    place: &Place,
    lookup: &Lookup<'_>,
) -> Result<BTreeMap<String, Vec<Entry>>, String> {
    let volumes = pod.spec.iter().flat_map(|it| it.volumes.iter().flatten());
    volumes
        .filter(|volume| ignored::is_supported(volume) && is_plain(Path::new(&volume.name)))
        .map(|volume| {
            let entries = entries(pod, place, volume, lookup).map_err(|why| {
                let name = &volume.name;
                format!("MountVolume.SetUp failed for volume \"{name}\" : {why}")
            })?;
            Ok((volume.name.clone(), entries))
        })
        .collect()
}

/// Writes volumes below `folder`.
///
/// # Errors
/// Those of the file system.
pub(crate) fn write(folder: &Path, volumes: &BTreeMap<String, Vec<Entry>>) -> io::Result<()> {
    for (name, entries) in volumes {
        let volume = folder.join(name);
        fs::create_dir_all(&volume)?;
        for entry in entries {
            let path = volume.join(&entry.path);
            fs::create_dir_all(path.parent().unwrap_or(&volume))?;
            fs::write(&path, &entry.bytes)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode))?;
        }
    }
    Ok(())
}

fn entries(
    pod: &Pod,
    place: &Place,
    volume: &Volume,
    lookup: &Lookup<'_>,
) -> Result<Vec<Entry>, String> {
    let (sources, mode) = sources(volume);
    let mut all = Vec::new();
    for source in sources {
        if let Some(it) = source.config_map {
            let items = it.items.as_deref();
            let kind = Holder::ConfigMap;
            all.extend(held(kind, &it.name, items, it.optional, mode, lookup)?);
        }
        if let Some(it) = source.secret {
            let items = it.items.as_deref();
            let kind = Holder::Secret;
            all.extend(held(kind, &it.name, items, it.optional, mode, lookup)?);
        }
        if let Some(it) = source.downward_api {
            all.extend(fields(pod, place, it.items.as_deref(), mode)?);
        }
    }
    Ok(all)
}

/// What a volume holds, as if it were projected, and the mode of files that say none.
fn sources(volume: &Volume) -> (Vec<VolumeProjection>, Option<i32>) {
    let mut source = VolumeProjection::default();
    let mode = if let Some(it) = volume.config_map.clone() {
        source.config_map = Some(ConfigMapProjection {
            items: it.items,
            name: it.name,
            optional: it.optional,
        });
        it.default_mode
    } else if let Some(it) = volume.secret.clone() {
        source.secret = Some(SecretProjection {
            items: it.items,
            name: it.secret_name.unwrap_or_default(),
            optional: it.optional,
        });
        it.default_mode
    } else if let Some(it) = volume.downward_api.clone() {
        source.downward_api = Some(DownwardAPIProjection { items: it.items });
        it.default_mode
    } else {
        let projected = volume.projected.clone().unwrap_or_default();
        return (
            projected.sources.unwrap_or_default(),
            projected.default_mode,
        );
    };
    (vec![source], mode)
}

/// All values of an object, or those that are named.
fn held(
    holder: Holder,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
    mode: Option<i32>,
    lookup: &Lookup<'_>,
) -> Result<Vec<Entry>, String> {
    let Some(mut values) = lookup(holder, name) else {
        let missing = || Err(holder.missing(name));
        return if optional == Some(true) {
            Ok(Vec::new())
        } else {
            missing()
        };
    };
    let Some(items) = items else {
        let all = values.into_iter();
        return all.map(|(key, bytes)| entry(&key, bytes, mode)).collect();
    };
    let mut entries = Vec::new();
    for item in items {
        match values.remove(&item.key) {
            Some(bytes) => entries.push(entry(&item.path, bytes, item.mode.or(mode))?),
            None if optional == Some(true) => {}
            None => {
                let kind = match holder {
                    Holder::ConfigMap => "config",
                    Holder::Secret => "secret",
                };
                return Err(format!("references non-existent {kind} key: {}", item.key));
            }
        }
    }
    Ok(entries)
}

fn fields(
    pod: &Pod,
    place: &Place,
    items: Option<&[DownwardAPIVolumeFile]>,
    mode: Option<i32>,
) -> Result<Vec<Entry>, String> {
    let items = items.unwrap_or_default().iter();
    items
        .map(|item| {
            let text = match (&item.field_ref, &item.resource_field_ref) {
                (Some(field), _) => environment::pod_field(pod, place, &field.field_path)?,
                (None, Some(field)) => {
                    environment::container_field(pod, &Container::default(), place, field)?
                }
                (None, None) => String::new(),
            };
            entry(&item.path, text.into_bytes(), item.mode.or(mode))
        })
        .collect()
}

/// A file that stays within its volume, whatever its name.
fn entry(path: &str, bytes: Vec<u8>, mode: Option<i32>) -> Result<Entry, String> {
    let path = PathBuf::from(path);
    if !is_plain(&path) {
        return Err(format!("{} is no path within the volume", path.display()));
    }
    let mode = u32::try_from(mode.unwrap_or(MODE)).unwrap_or_default() & 0o777;
    Ok(Entry { path, bytes, mode })
}

fn is_plain(path: &Path) -> bool {
    let mut components = path.components().peekable();
    components.peek().is_some() && components.all(|it| matches!(it, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn lookup(holder: Holder, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let both = [
            ("a".to_owned(), b"1".to_vec()),
            ("b".to_owned(), b"2".to_vec()),
        ];
        (holder == Holder::ConfigMap && name == "map").then(|| both.into())
    }

    fn of(volume: &Value) -> Result<Vec<(String, String, u32)>, String> {
        let pod =
            json!({"metadata": {"name": "web-0"}, "spec": {"containers": [], "volumes": [volume]}});
        let place = Place {
            node: String::new(),
            host_ip: [127, 0, 0, 1].into(),
            pod_ip: [127, 0, 0, 1].into(),
            capacity: BTreeMap::new(),
        };
        let volumes = contents(&serde_json::from_value(pod).unwrap(), &place, &lookup)?;
        let entries = volumes.into_values().flatten();
        let entry = |it: Entry| {
            let text = String::from_utf8(it.bytes).unwrap();
            (it.path.display().to_string(), text, it.mode)
        };
        Ok(entries.map(entry).collect())
    }

    #[test]
    fn all_keys_become_files_or_those_that_are_named() {
        let all = of(&json!({"name": "v", "configMap": {"name": "map"}})).unwrap();
        let expected = [
            ("a".into(), "1".into(), 0o644),
            ("b".into(), "2".into(), 0o644),
        ];
        assert_eq!(all, expected);
        let items = json!([{"key": "b", "path": "x/y", "mode": 0o600}]);
        let some = of(&json!({"name": "v", "configMap": {"name": "map", "items": items}}));
        assert_eq!(some.unwrap(), [("x/y".into(), "2".into(), 0o600)]);
    }

    #[test]
    fn a_missing_object_is_named_unless_it_is_optional() {
        let expected = "MountVolume.SetUp failed for volume \"v\" : secret \"no\" not found";
        let error = of(&json!({"name": "v", "secret": {"secretName": "no"}})).unwrap_err();
        assert_eq!(error, expected);
        let optional = json!({"secretName": "no", "optional": true});
        assert_eq!(
            of(&json!({"name": "v", "secret": optional})),
            Ok(Vec::new())
        );
    }

    #[test]
    fn projected_volumes_hold_the_files_of_all_their_sources() {
        let name = json!([{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]);
        let sources = json!([
            {"downwardAPI": {"items": name}},
            {"configMap": {"name": "map", "items": [{"key": "a", "path": "a"}]}},
        ]);
        let files = of(&json!({"name": "v", "projected": {"sources": sources}})).unwrap();
        let expected = [
            ("name".into(), "web-0".into(), 0o644),
            ("a".into(), "1".into(), 0o644),
        ];
        assert_eq!(files, expected);
    }

    #[test]
    fn no_path_leaves_its_volume() {
        for path in ["../x", "/etc/x", "a/../../x", ""] {
            let items = json!([{"key": "a", "path": path}]);
            let volume = json!({"name": "v", "configMap": {"name": "map", "items": items}});
            assert!(of(&volume).is_err(), "{path}");
        }
        assert_eq!(of(&json!({"name": "../v", "emptyDir": {}})), Ok(Vec::new()));
    }

    #[test]
    fn files_are_written_below_the_volumes_name() {
        let folder = tempfile::tempdir().unwrap();
        let entry = entry("x/y", b"1".to_vec(), Some(0o600)).unwrap();
        let volumes = [("v".to_owned(), vec![entry]), ("empty".to_owned(), vec![])].into();
        write(folder.path(), &volumes).unwrap();
        assert_eq!(fs::read(folder.path().join("v/x/y")).unwrap(), b"1");
        assert!(folder.path().join("empty").is_dir());
    }
}
