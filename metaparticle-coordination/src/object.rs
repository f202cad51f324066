//! A Lease of the API (JSON, as the server sent it) as the protocol's [`Lease`], and a [`Draft`] as JSON.
//!
//! JSON and not `k8s_openapi`'s type: what this version of it does not know must survive an update, and a Lease of
//! somebody else's that is odd in one field must not take the whole list with it.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use metaparticle_protocol::{
    Identity, Lease, Name, Spec, Stamp, Uid, Version,
    lease::{Draft, When, key},
};
use serde_json::{Map, Value, json};

/// Kind and version of every object here.
pub(crate) const API_VERSION: &str = "coordination.k8s.io/v1";

/// What the protocol sees of an object; `None` if it has no name, uid or version. Fields of a wrong type or range count
/// as absent.
pub(crate) fn read(object: &Value) -> Option<Lease> {
    let metadata = object.get("metadata")?;
    let text = |field: &str| metadata.get(field)?.as_str();
    Some(Lease {
        name: Name::from(text("name").filter(|name| !name.is_empty())?),
        uid: Uid::from(text("uid").filter(|uid| !uid.is_empty())?),
        version: version(metadata)?,
        spec: spec(object.get("spec").unwrap_or(&Value::Null)),
        annotations: ours(metadata.get("annotations")),
        labels: ours(metadata.get("labels")),
        deleting: metadata
            .get("deletionTimestamp")
            .is_some_and(|at| !at.is_null()),
    })
}

/// `resourceVersion` of an object's or a list's metadata.
pub(crate) fn version(metadata: &Value) -> Option<Version> {
    let version = metadata.get("resourceVersion")?.as_str()?;
    version.parse().ok().map(Version)
}

fn spec(spec: &Value) -> Spec {
    Spec {
        holder: spec
            .get("holderIdentity")
            .and_then(Value::as_str)
            .filter(|holder| !holder.is_empty())
            .map(Identity::from),
        duration: spec
            .get("leaseDurationSeconds")
            .and_then(Value::as_u64)
            .filter(|seconds| (1..=u64::from(u32::MAX)).contains(seconds))
            .map(Duration::from_secs),
        acquired: spec.get("acquireTime").and_then(stamp),
        renewed: spec.get("renewTime").and_then(stamp),
        transitions: spec
            .get("leaseTransitions")
            .and_then(Value::as_u64)
            .map_or(0, |transitions| transitions.try_into().unwrap_or(u32::MAX)),
    }
}

/// Stamps are compared for equality only: text that is no time gets one that tells it from other such text.
fn stamp(time: &Value) -> Option<Stamp> {
    let text = time.as_str().filter(|text| !text.is_empty())?;
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(Stamp(time.as_microsecond()));
    }
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    Some(Stamp(hasher.finish().cast_signed()))
}

fn ours(texts: Option<&Value>) -> BTreeMap<&'static str, Arc<str>> {
    let Some(texts) = texts.and_then(Value::as_object) else {
        return BTreeMap::new();
    };
    texts
        .iter()
        .filter_map(|(key, text)| Some((known(key)?, text.as_str()?.into())))
        .collect()
}

fn known(qualified: &str) -> Option<&'static str> {
    let key = qualified.strip_prefix(key::DOMAIN)?.strip_prefix('/')?;
    key::ALL.into_iter().find(|known| *known == key)
}

/// A key with its domain.
pub(crate) fn qualified(key: &str) -> String {
    format!("{}/{key}", key::DOMAIN)
}

/// The object of a creation, sent at `now` on the wall clock.
pub(crate) fn new(name: &Name, draft: &Draft, now: Timestamp) -> Value {
    let texts = |texts: &BTreeMap<&'static str, Arc<str>>| -> Map<String, Value> {
        let texts = texts.iter();
        texts
            .map(|(key, text)| (qualified(key), json!(**text)))
            .collect()
    };
    let mut object = json!({
        "apiVersion": API_VERSION,
        "kind": "Lease",
        "metadata": { "name": name.as_str() },
        "spec": {},
    });
    let metadata = &mut object["metadata"];
    if !draft.labels.is_empty() {
        metadata["labels"] = texts(&draft.labels).into();
    }
    if !draft.annotations.is_empty() {
        metadata["annotations"] = texts(&draft.annotations).into();
    }
    if let Some((name, uid)) = &draft.owner {
        metadata["ownerReferences"] = json!([{
            "apiVersion": API_VERSION,
            "kind": "Lease",
            "name": name.as_str(),
            "uid": uid.as_str(),
        }]);
    }
    fill(&mut object, draft, now);
    object
}

/// The object of an update: `base`, as it was read, with what `draft` says. Its uid and version stay in it (W1).
pub(crate) fn over(mut base: Value, draft: &Draft, now: Timestamp) -> Value {
    let metadata = &mut base["metadata"];
    if let Some(annotations) = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.retain(|key, _| known(key).is_none());
    }
    for (key, text) in &draft.annotations {
        if !metadata["annotations"].is_object() {
            metadata["annotations"] = json!({});
        }
        metadata["annotations"][qualified(key)] = json!(**text);
    }
    fill(&mut base, draft, now);
    base
}

fn fill(object: &mut Value, draft: &Draft, now: Timestamp) {
    if !object["spec"].is_object() {
        object["spec"] = json!({});
    }
    let spec = &mut object["spec"];
    spec["holderIdentity"] = json!(draft.holder.as_ref().map_or("", Identity::as_str));
    spec["leaseDurationSeconds"] = json!(draft.duration.as_secs());
    spec["leaseTransitions"] = json!(draft.transitions.min(i32::MAX.unsigned_abs()));
    time(spec, "acquireTime", draft.acquired, now);
    time(spec, "renewTime", draft.renewed, now);
}

fn time(spec: &mut Value, field: &str, when: When, now: Timestamp) {
    let time = match when {
        When::Now => Some(now),
        // Already there, in the words of whoever wrote it.
        When::Kept(kept) if spec.get(field).and_then(stamp) == kept => return,
        When::Kept(kept) => kept.and_then(|kept| Timestamp::from_microsecond(kept.0).ok()),
    };
    match time {
        Some(time) => spec[field] = json!(format!("{time:.6}")),
        None => {
            if let Some(spec) = spec.as_object_mut() {
                spec.remove(field);
            }
        }
    }
}

/// Without what no update needs to send back: without it, the server keeps what it has.
pub(crate) fn slim(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-23T08:00:00.123456Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn draft() -> Draft {
        Draft {
            holder: Some(Identity::from("me")),
            duration: Duration::from_secs(15),
            acquired: When::Kept(None),
            renewed: When::Now,
            transitions: 3,
            annotations: BTreeMap::from([(key::TOKEN, Arc::from("42"))]),
            labels: BTreeMap::from([(key::ROLE, Arc::from("election"))]),
            owner: Some((Name::from("owner"), Uid::from("u1"))),
        }
    }

    #[test]
    fn creation_says_all_of_the_draft() {
        let object = new(&Name::from("billing"), &draft(), now());
        assert_eq!(
            object,
            json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": "billing",
                    "labels": { "metaparticle.dev/role": "election" },
                    "annotations": { "metaparticle.dev/token": "42" },
                    "ownerReferences": [{
                        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "name": "owner", "uid": "u1",
                    }],
                },
                "spec": {
                    "holderIdentity": "me",
                    "leaseDurationSeconds": 15,
                    "leaseTransitions": 3,
                    "renewTime": NOW,
                },
            })
        );
    }

    #[test]
    fn update_keeps_what_it_does_not_know() {
        let base = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": "billing", "uid": "u", "resourceVersion": "7",
                "labels": { "team": "a" },
                "annotations": { "note": "x", "metaparticle.dev/holder": "old", "metaparticle.dev/later": "y" },
                "finalizers": ["a/b"],
                "invented": { "since": 1 },
            },
            "spec": {
                "holderIdentity": "other", "strategy": "OldestEmulationVersion", "acquireTime": "2026-01-01T00:00:00Z",
                "renewTime": "2026-01-01T00:00:00.5Z",
            },
        });
        let acquired = read(&base).unwrap().spec.acquired;
        assert!(acquired.is_some());
        let draft = Draft {
            acquired: When::Kept(acquired),
            ..draft()
        };
        assert_eq!(
            over(base, &draft, now()),
            json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": "billing", "uid": "u", "resourceVersion": "7",
                    "labels": { "team": "a" },
                    "annotations": { "note": "x", "metaparticle.dev/token": "42", "metaparticle.dev/later": "y" },
                    "finalizers": ["a/b"],
                    "invented": { "since": 1 },
                },
                "spec": {
                    "holderIdentity": "me", "strategy": "OldestEmulationVersion", "leaseDurationSeconds": 15,
                    "leaseTransitions": 3, "acquireTime": "2026-01-01T00:00:00Z", "renewTime": NOW,
                },
            })
        );
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut object = new(&Name::from("billing"), &draft(), now());
        object["metadata"]["uid"] = json!("u");
        object["metadata"]["resourceVersion"] = json!("12");
        let lease = read(&object).unwrap();
        assert_eq!(lease.version, Version(12));
        assert_eq!(lease.spec.holder, draft().holder);
        assert_eq!(lease.spec.duration, Some(Duration::from_secs(15)));
        assert_eq!(lease.spec.renewed, Some(Stamp(now().as_microsecond())));
        assert_eq!(lease.spec.acquired, None);
        assert_eq!(lease.annotations, draft().annotations);
        assert_eq!(lease.labels, draft().labels);
        assert!(!lease.deleting);
    }

    #[test]
    fn odd_fields_of_others_count_as_absent() {
        let object = |spec: Value| json!({ "metadata": { "name": "x", "uid": "u", "resourceVersion": "1" }, "spec": spec });
        for odd in [
            json!(null),
            json!(7),
            json!([]),
            json!({
                "holderIdentity": 5, "leaseDurationSeconds": -1, "acquireTime": 7, "renewTime": {}, "leaseTransitions": -3,
            }),
            json!({ "holderIdentity": "", "leaseDurationSeconds": 0, "renewTime": "" }),
            json!({ "leaseDurationSeconds": u64::MAX, "leaseTransitions": 1.5 }),
        ] {
            assert_eq!(
                read(&object(odd.clone())).unwrap().spec,
                Spec::default(),
                "{odd}"
            );
        }
        for odd in [
            json!(null),
            json!({}),
            json!({ "metadata": 5 }),
            json!({ "metadata": { "name": "x", "uid": "u" } }),
            json!({ "metadata": { "name": "x", "uid": "u", "resourceVersion": "abc" } }),
            json!({ "metadata": { "name": "", "uid": "u", "resourceVersion": "1" } }),
        ] {
            assert_eq!(read(&odd), None, "{odd}");
        }
    }

    #[test]
    fn times_that_are_none_still_tell_one_write_from_another() {
        let renewed = |text: &str| stamp(&json!(text));
        assert_ne!(renewed("yesterday"), renewed("today"));
        assert_eq!(renewed("today"), renewed("today"));
        assert_eq!(
            renewed("2026-01-01T00:00:00Z"),
            renewed("2026-01-01T01:00:00+01:00")
        );
    }
}
