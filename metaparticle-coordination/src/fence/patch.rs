//! Stating the token in a patch, and making a patch of what changed. Pure.

use kube::api::Patch;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Error;

/// The patch with the token in it, and with the uid of the object that it is for: one of its name that was created later
/// is not meant.
pub(super) fn stated<P: Serialize>(
    patch: &Patch<P>,
    key: &str,
    token: u64,
    uid: &str,
) -> Result<Patch<Value>, Error> {
    Ok(match patch {
        Patch::Merge(body) => Patch::Merge(body_with(body, key, token, uid)?),
        Patch::Strategic(body) => Patch::Strategic(body_with(body, key, token, uid)?),
        Patch::Apply(body) => Patch::Apply(body_with(body, key, token, uid)?),
        // Another crate of the graph may have switched on kube's JSON patch.
        #[allow(
            unreachable_patterns,
            reason = "there is one more variant with kube/jsonpatch"
        )]
        _ => {
            return Err(Error::Patch {
                what: "is a JSON patch, which addresses annotations by place: use a merge patch",
            });
        }
    })
}

fn body_with<P: Serialize>(body: &P, key: &str, token: u64, uid: &str) -> Result<Value, Error> {
    let wrong = |what| Error::Patch { what };
    let mut body = serde_json::to_value(body).map_err(|_| wrong("cannot be written as JSON"))?;
    let root = body.as_object_mut().ok_or(wrong("is not an object"))?;
    let metadata = object_in(root, "metadata").ok_or(wrong("removes the metadata"))?;
    metadata.insert("uid".to_owned(), uid.into());
    let annotations = object_in(metadata, "annotations").ok_or(wrong("removes all annotations"))?;
    annotations.insert(key.to_owned(), token.to_string().into());
    Ok(body)
}

/// The object below `key`, made if there is none; `None` if something else is there.
fn object_in<'a>(
    parent: &'a mut Map<String, Value>,
    key: &str,
) -> Option<&'a mut Map<String, Value>> {
    parent
        .entry(key)
        .or_insert_with(|| json!({}))
        .as_object_mut()
}

/// A merge patch (RFC 7386) that makes `after` of `before`. What neither has, such as fields that the types of this
/// program do not know, is left alone.
pub(super) fn difference(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return after.clone();
    };
    let mut patch = Map::new();
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in after {
        match before.get(key) {
            Some(old) if old == value => {}
            Some(old) => {
                patch.insert(key.clone(), difference(old, value));
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "election.metaparticle.dev/billing";

    fn body(patch: Value) -> Result<Value, String> {
        let stated =
            stated(&Patch::Merge(patch), KEY, 7, "u1").map_err(|error| error.to_string())?;
        match stated {
            Patch::Merge(body) => Ok(body),
            _ => panic!("another kind of patch"),
        }
    }

    #[test]
    fn the_token_is_stated_whatever_the_patch_says_of_it() {
        let stated = |annotations: Value| json!({ "metadata": { "uid": "u1", "annotations": annotations }, "data": { "a": "b" } });
        let said = json!({ "data": { "a": "b" } });
        assert_eq!(body(said), Ok(stated(json!({ KEY: "7" }))));
        let said = json!({ "metadata": { "uid": "u2", "annotations": { KEY: "9", "x": "y" } }, "data": { "a": "b" } });
        assert_eq!(body(said), Ok(stated(json!({ KEY: "7", "x": "y" }))));
    }

    #[test]
    fn a_patch_that_leaves_no_room_for_the_token_is_refused() {
        for (patch, what) in [
            (json!([]), "not an object"),
            (json!({ "metadata": null }), "removes the metadata"),
            (
                json!({ "metadata": { "annotations": null } }),
                "removes all annotations",
            ),
        ] {
            let error = body(patch).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn the_difference_says_what_changed_and_nothing_else() {
        let before = json!({ "kept": 1, "gone": 2, "in": { "a": 1, "b": 2 }, "list": [1, 2] });
        let after = json!({ "kept": 1, "new": 3, "in": { "a": 1, "b": 3 }, "list": [2] });
        assert_eq!(
            difference(&before, &after),
            json!({ "gone": null, "new": 3, "in": { "b": 3 }, "list": [2] })
        );
        assert_eq!(difference(&after, &after), json!({}));
        assert_eq!(
            difference(&json!(null), &json!({ "a": 1 })),
            json!({ "a": 1 })
        );
    }
}
