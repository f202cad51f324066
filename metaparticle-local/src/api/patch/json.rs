//! RFC 6902 by the `json-patch` crate, with the liberties that the real server takes: a replaced or copied key may be
//! missing, an index may be negative, a value may be left out.

use serde_json::{Map, Value, json as value};

use crate::api::{
    decode::{Document, quoted},
    failure::Failure,
};

/// The most operations of one patch.
const MOST_OPERATIONS: usize = 10_000;

/// The most bytes that `copy` may add.
const MOST_COPIED: usize = 3 * 1024 * 1024;

/// The deepest place that is changed, values put there included: no object is that deep, and everything that goes
/// through values goes down by recursion.
const DEEPEST: usize = 512;

/// What a JSON patch makes of an object.
///
/// # Errors
/// 413 for too many operations, 422 for one that cannot be done.
pub fn json(current: &Value, patch: &Value) -> Result<Value, Failure> {
    let operations = patch.as_array().map(Vec::as_slice).unwrap_or_default();
    if operations.len() > MOST_OPERATIONS {
        let found = operations.len();
        return Err(Failure::too_large(format!(
            "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {found}"
        )));
    }
    let mut patched = current.clone();
    let mut copied = 0;
    for operation in operations {
        apply(&mut patched, operation, &mut copied).ok_or_else(refused)?;
    }
    Ok(patched)
}

/// What does not belong into a JSON patch, or comes twice: of every operation.
///
/// # Errors
/// In Go's words, for text that is no JSON patch.
pub(super) fn problems(patch: &Document) -> Result<Vec<String>, String> {
    let wrong = |found: &Document, of: &str| {
        let found = found.go_kind();
        Err(format!("json: cannot unmarshal {found} into Go {of}"))
    };
    let operations = match patch {
        Document::List(operations) => operations,
        Document::Null => return Ok(Vec::new()),
        other => return wrong(other, "value of type []handlers.jsonPatchOp"),
    };
    let mut problems = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        let fields = match operation {
            Document::Map(fields) => fields,
            Document::Null => continue,
            other => return wrong(other, "value of type handlers.jsonPatchOp"),
        };
        for (place, (name, value)) in fields.iter().enumerate() {
            let mut told = |what| {
                let field = quoted(&format!("[{at}].{name}"));
                problems.push(format!("json patch {what} field {field}"));
            };
            match (name.as_str(), value) {
                ("op" | "path" | "from", Document::String(_) | Document::Null) | ("value", _) => {}
                ("op" | "path" | "from", other) => {
                    return wrong(
                        other,
                        &format!("struct field jsonPatchOp.{name} of type string"),
                    );
                }
                _ => {
                    told("unknown");
                    continue;
                }
            }
            if fields[..place].iter().any(|(other, _)| other == name) {
                told("duplicate");
            }
        }
    }
    Ok(problems)
}

/// One operation, as the real server does it; nothing if it cannot be done.
fn apply(object: &mut Value, operation: &Value, copied: &mut usize) -> Option<()> {
    let text = |name| operation.get(name).and_then(Value::as_str);
    let op = text("op")?;
    let given = operation.get("value").cloned().unwrap_or_default();
    if text("path")?.is_empty() {
        return match op {
            "replace" if given.is_object() || given.is_array() => {
                *object = given;
                Some(())
            }
            "test" => (*object == given).then_some(()),
            _ => None,
        };
    }
    let moved_value = || Place::find(object, text("from")?)?.value();
    let depth = depth(&given).max(moved_value().map_or(0, depth));
    if depth + text("path")?.matches('/').count() > DEEPEST {
        return None;
    }
    let path = Place::find(object, text("path")?);
    let from = || Place::find(object, text("from")?);
    let standard = match op {
        "add" => value!({"op": "add", "path": path?.pointer(), "value": given}),
        "remove" => value!({"op": "remove", "path": path?.pointer()}),
        "replace" => {
            let path = path?;
            let op = if path.is_missing_key() {
                "add"
            } else {
                "replace"
            };
            value!({"op": op, "path": path.pointer(), "value": given})
        }
        "test" => {
            let path = path?;
            if path.is_missing_key() {
                return given.is_null().then_some(());
            }
            value!({"op": "test", "path": path.pointer(), "value": given})
        }
        "move" => {
            value!({"op": "move", "from": from()?.pointer(), "path": moved(object, operation)?})
        }
        "copy" => {
            let from = from()?;
            let value = from.value();
            *copied += value.map_or(4, |value| value.to_string().len());
            if *copied > MOST_COPIED || (value.is_none() && !from.is_missing_key()) {
                return None;
            }
            value!({"op": "add", "path": path?.pointer(), "value": value})
        }
        _ => return None,
    };
    let standard = serde_json::from_value(standard).ok()?;
    json_patch::patch(object, &[standard]).ok()
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The destination of a `move`, which is looked for when the value is gone from its old place.
fn moved(object: &Value, operation: &Value) -> Option<String> {
    let mut without = object.clone();
    let from = Place::find(object, operation.get("from")?.as_str()?)?.pointer();
    let remove = serde_json::from_value(value!({"op": "remove", "path": from})).ok()?;
    json_patch::patch(&mut without, &[remove]).ok()?;
    Some(Place::find(&without, operation.get("path")?.as_str()?)?.pointer())
}

/// A list or an object, and the place in it that a path names.
struct Place<'v> {
    parent: &'v Value,
    /// The way to it as a JSON pointer.
    way: String,
    key: String,
}

impl<'v> Place<'v> {
    fn find(object: &'v Value, path: &str) -> Option<Self> {
        let (_, path) = path.split_once('/')?;
        let decoded = |key: &str| key.replace("~1", "/").replace("~0", "~");
        let mut keys: Vec<String> = path.split('/').map(decoded).collect();
        let key = keys.pop()?;
        let mut place = Self {
            parent: object,
            way: String::new(),
            key,
        };
        for key in keys {
            let inner = Self { key, ..place };
            let parent = inner.value().filter(|it| it.is_object() || it.is_array())?;
            place = Self {
                parent,
                way: inner.pointer(),
                key: path.rsplit('/').next().map(decoded)?,
            };
        }
        Some(place)
    }

    /// As a JSON pointer, with the index that a negative one means.
    fn pointer(&self) -> String {
        let key = match self.parent {
            Value::Array(items) if self.key.starts_with(['-', '+']) && self.key != "-" => {
                // Behind the last item, an insertion takes place.
                index(&self.key, items.len()).map_or_else(|| self.key.clone(), |it| it.to_string())
            }
            _ => self.key.replace('~', "~0").replace('/', "~1"),
        };
        format!("{}/{key}", self.way)
    }

    fn value(&self) -> Option<&'v Value> {
        match self.parent {
            Value::Object(fields) => fields.get(&self.key),
            Value::Array(items) => items.get(index(&self.key, items.len())?),
            _ => None,
        }
    }

    fn is_missing_key(&self) -> bool {
        let fields: Option<&Map<_, _>> = self.parent.as_object();
        fields.is_some_and(|fields| !fields.contains_key(&self.key))
    }
}

fn index(key: &str, length: usize) -> Option<usize> {
    let index: isize = key.parse().ok()?;
    if index < 0 {
        length.checked_sub(index.unsigned_abs())
    } else {
        usize::try_from(index).ok()
    }
}

/// The real server says no more.
fn refused() -> Failure {
    let message = "the server rejected our request due to an error in our request";
    Failure::new(422, "Invalid", message).with_details(value!({}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::decode::read_json;

    fn patched(patch: &Value) -> Option<Value> {
        let object = value!({"data": {"a": "1"}, "list": ["x", "y"], "null": null});
        json(&object, patch).ok()
    }

    fn list(patch: &Value) -> Option<Value> {
        patched(&value!([patch])).map(|it| it["list"].clone())
    }

    fn data(patch: &Value) -> Option<Value> {
        patched(&value!([patch])).map(|it| it["data"].clone())
    }

    #[test]
    fn operations_do_what_the_rfc_says() {
        assert_eq!(
            data(&value!({"op": "add", "path": "/data/b~1c", "value": "2"})),
            Some(value!({"a": "1", "b/c": "2"}))
        );
        assert_eq!(
            list(&value!({"op": "add", "path": "/list/1", "value": "z"})),
            Some(value!(["x", "z", "y"]))
        );
        assert_eq!(
            list(&value!({"op": "add", "path": "/list/-", "value": "z"})),
            Some(value!(["x", "y", "z"]))
        );
        assert_eq!(
            list(&value!({"op": "remove", "path": "/list/0"})),
            Some(value!(["y"]))
        );
        assert_eq!(
            data(&value!({"op": "move", "from": "/data/a", "path": "/data/b"})),
            Some(value!({"b": "1"}))
        );
        assert_eq!(
            list(&value!({"op": "move", "from": "/list/0", "path": "/list/1"})),
            Some(value!(["y", "x"]))
        );
        assert_eq!(
            data(&value!({"op": "copy", "from": "/list/0", "path": "/data/b"})),
            Some(value!({"a": "1", "b": "x"}))
        );
        assert!(data(&value!({"op": "test", "path": "/data/a", "value": "1"})).is_some());
    }

    #[test]
    fn real_server_takes_liberties() {
        assert_eq!(
            data(&value!({"op": "replace", "path": "/data/b", "value": "2"})),
            Some(value!({"a": "1", "b": "2"}))
        );
        assert_eq!(
            data(&value!({"op": "copy", "from": "/data/no", "path": "/data/b"})),
            Some(value!({"a": "1", "b": null}))
        );
        assert_eq!(
            data(&value!({"op": "add", "path": "/data/b"})),
            Some(value!({"a": "1", "b": null}))
        );
        assert_eq!(
            list(&value!({"op": "remove", "path": "/list/-1"})),
            Some(value!(["x"]))
        );
        assert!(data(&value!({"op": "test", "path": "/data/no", "value": null})).is_some());
    }

    #[test]
    fn what_cannot_be_done_is_refused_in_one_sentence() {
        for patch in [
            value!({"op": "foo", "path": "/data"}),
            value!({"path": "/data"}),
            value!({"op": "add", "value": 1}),
            value!({"op": "add", "path": "data", "value": 1}),
            value!({"op": "add", "path": "/no/b", "value": 1}),
            value!({"op": "add", "path": "/data/a/b", "value": 1}),
            value!({"op": "add", "path": "/null/b", "value": 1}),
            value!({"op": "add", "path": "/list/3", "value": 1}),
            value!({"op": "add", "path": "/list/x", "value": 1}),
            value!({"op": "replace", "path": "/list/2", "value": 1}),
            value!({"op": "remove", "path": "/data/no"}),
            value!({"op": "remove", "path": ""}),
            value!({"op": "replace", "path": "", "value": 3}),
            value!({"op": "test", "path": "/data/a", "value": "2"}),
            value!({"op": "test", "path": "/data/no", "value": "2"}),
            value!({"op": "move", "path": "/data/z"}),
            value!({"op": "move", "from": "/data/no", "path": "/data/z"}),
            value!({"op": "copy", "from": "/list/7", "path": "/data/z"}),
            value!("x"),
        ] {
            assert_eq!(
                json(
                    &value!({"data": {"a": "1"}, "list": ["x", "y"], "null": null}),
                    &value!([patch])
                ),
                Err(refused()),
                "{patch}"
            );
        }
    }

    #[test]
    fn number_of_operations_and_copied_bytes_are_bounded() {
        let test = value!({"op": "test", "path": "/data/a", "value": "1"});
        assert!(patched(&vec![test.clone(); 10_000].into()).is_some());
        let failure = json(&value!({}), &vec![test; 10_001].into()).unwrap_err();
        assert_eq!(failure.code, 413);
        let object = value!({"a": "x".repeat(1024 * 1024)});
        let copy = value!({"op": "copy", "from": "/a", "path": "/b"});
        assert!(json(&object, &vec![copy.clone(); 2].into()).is_ok());
        assert_eq!(json(&object, &vec![copy; 3].into()), Err(refused()));
    }

    #[test]
    fn copies_cannot_make_an_object_too_deep_to_handle() {
        let copy = value!({"op": "copy", "from": "/data", "path": "/data/a"});
        assert!(patched(&vec![copy.clone(); 100].into()).is_some());
        assert_eq!(patched(&vec![copy; 600].into()), None);
    }

    #[test]
    fn strange_fields_are_told_and_wrong_types_are_refused() {
        let told = |text: &str| problems(&read_json(text.as_bytes()).unwrap());
        assert_eq!(
            told(r#"[{"op":"test","extra":1,"op":"test"}]"#).unwrap(),
            [
                r#"json patch unknown field "[0].extra""#,
                r#"json patch duplicate field "[0].op""#
            ]
        );
        for (text, words) in [
            ("{}", "object into Go value of type []handlers.jsonPatchOp"),
            (
                r#"["x"]"#,
                "string into Go value of type handlers.jsonPatchOp",
            ),
            (
                r#"[{"op":1}]"#,
                "number into Go struct field jsonPatchOp.op of type string",
            ),
        ] {
            let words = format!("json: cannot unmarshal {words}");
            assert_eq!(told(text), Err(words));
        }
    }
}
