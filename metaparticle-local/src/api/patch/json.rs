//! RFC 6902 with the liberties that the real server takes: a replaced or copied key may be
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

/// The most values that are looked at or pushed aside, for all operations together: about a second.
const MOST_WORK: usize = 50_000_000;

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
    let mut patching = Patching {
        object: current.clone(),
        depth: depth(current),
        copied: 0,
        work: 0,
    };
    for operation in operations {
        patching.apply(operation).ok_or_else(refused)?;
    }
    Ok(patching.object)
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

/// An object that is being patched.
struct Patching {
    object: Value,
    /// It is not deeper than this.
    depth: usize,
    /// Bytes that `copy` added.
    copied: usize,
    work: usize,
}

impl Patching {
    /// One operation, as the real server does it; nothing if it cannot be done.
    fn apply(&mut self, operation: &Value) -> Option<()> {
        let text = |name| operation.get(name).and_then(Value::as_str);
        let op = text("op")?;
        let given = operation.get("value").unwrap_or(&Value::Null);
        let path = text("path")?;
        if path.is_empty() {
            return match op {
                "replace" if given.is_object() || given.is_array() => {
                    self.depth = depth(given);
                    self.object = given.clone();
                    Some(())
                }
                "test" => (self.object == *given).then_some(()),
                _ => None,
            };
        }
        match op {
            "add" => self.add(path, given.clone(), depth(given)),
            "remove" => self.remove(path).map(drop),
            "replace" => self.replace(path, given.clone()),
            "test" => {
                let path = Place::find(&self.object, path)?;
                let found = match path.value() {
                    None if path.is_missing_key() => &Value::Null,
                    found => found?,
                };
                (found == given).then_some(())
            }
            "move" => {
                let from = text("from")?;
                let value = self.remove(from)?;
                // Of the value, at most.
                let inner = self.depth.saturating_sub(length(from));
                self.add(path, value, inner)
            }
            "copy" => {
                let from = Place::find(&self.object, text("from")?)?;
                let value = from.value();
                self.copied += value.map_or(4, |value| value.to_string().len());
                if self.copied > MOST_COPIED || (value.is_none() && !from.is_missing_key()) {
                    return None;
                }
                let value = value.cloned().unwrap_or_default();
                let inner = depth(&value);
                self.add(path, value, inner)
            }
            _ => None,
        }
    }

    /// Puts `value`, which is not deeper than `inner`, at `path`.
    fn add(&mut self, path: &str, value: Value, inner: usize) -> Option<()> {
        if length(path) > DEEPEST {
            return None;
        }
        let (parent, key) = parent(&mut self.object, path)?;
        match parent {
            Value::Object(fields) => {
                fields.insert(key, value);
            }
            Value::Array(items) => {
                let at = match key.as_str() {
                    "-" => items.len(),
                    key => index(key, items.len()).filter(|at| *at <= items.len())?,
                };
                self.work += items.len() - at;
                items.insert(at, value);
            }
            _ => return None,
        }
        self.deepen(length(path) + inner)
    }

    fn remove(&mut self, path: &str) -> Option<Value> {
        let (parent, key) = parent(&mut self.object, path)?;
        match parent {
            Value::Object(fields) => fields.remove(&key),
            Value::Array(items) => {
                let at = index(&key, items.len()).filter(|at| *at < items.len())?;
                self.work += items.len() - at;
                Some(items.remove(at))
            }
            _ => None,
        }
    }

    fn replace(&mut self, path: &str, value: Value) -> Option<()> {
        let inner = depth(&value);
        let (parent, key) = parent(&mut self.object, path)?;
        match parent {
            Value::Object(fields) => {
                fields.insert(key, value);
            }
            Value::Array(items) => {
                let at = index(&key, items.len())?;
                *items.get_mut(at)? = value;
            }
            _ => return None,
        }
        self.deepen(length(path) + inner)
    }

    /// Something that reaches down to `depth` was added.
    fn deepen(&mut self, to: usize) -> Option<()> {
        self.depth = self.depth.max(to);
        if self.depth > DEEPEST {
            // What was moved may have been less deep than it could be.
            self.depth = measured(&self.object, &mut self.work);
        }
        (self.depth <= DEEPEST && self.work <= MOST_WORK).then_some(())
    }
}

/// How many steps a path has.
fn length(path: &str) -> usize {
    path.matches('/').count()
}

fn depth(value: &Value) -> usize {
    measured(value, &mut 0)
}

fn measured(value: &Value, work: &mut usize) -> usize {
    *work += 1;
    match value {
        Value::Array(items) => 1 + items.iter().map(|it| measured(it, work)).max().unwrap_or(0),
        Value::Object(fields) => {
            1 + fields
                .values()
                .map(|it| measured(it, work))
                .max()
                .unwrap_or(0)
        }
        _ => 0,
    }
}

/// The keys of a path, the first one first.
fn keys(path: &str) -> Option<impl DoubleEndedIterator<Item = String>> {
    let (_, path) = path.split_once('/')?;
    let decoded = |key: &str| key.replace("~1", "/").replace("~0", "~");
    Some(path.split('/').map(decoded))
}

/// What a path's last key is looked for in.
fn parent<'v>(object: &'v mut Value, path: &str) -> Option<(&'v mut Value, String)> {
    let mut keys = keys(path)?;
    let last = keys.next_back()?;
    let mut parent = object;
    for key in keys {
        parent = match parent {
            Value::Object(fields) => fields.get_mut(&key),
            Value::Array(items) => {
                let at = index(&key, items.len())?;
                items.get_mut(at)
            }
            _ => None,
        }?;
    }
    Some((parent, last))
}

/// A list or an object, and the place in it that a path names.
struct Place<'v> {
    parent: &'v Value,
    key: String,
}

impl<'v> Place<'v> {
    fn find(object: &'v Value, path: &str) -> Option<Self> {
        let mut keys = keys(path)?;
        let key = keys.next_back()?;
        let mut parent = object;
        for key in keys {
            let inner = Self { parent, key };
            parent = inner.value().filter(|it| it.is_object() || it.is_array())?;
        }
        Some(Self { parent, key })
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

/// The place in a list that a key means; a negative one counts from the end.
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
    fn thousands_of_moves_of_a_large_object_take_no_time_worth_mentioning() {
        let items: Vec<Value> = (0..50_000).map(Value::from).collect();
        let object = value!({"a": {"large": items}, "b": {}});
        let there = value!({"op": "move", "from": "/a/large", "path": "/b/large"});
        let back = value!({"op": "move", "from": "/b/large", "path": "/a/large"});
        let patch: Vec<Value> = [there, back].into_iter().cycle().take(10_000).collect();
        assert_eq!(json(&object, &patch.into()), Ok(object));
    }

    #[test]
    fn what_pushes_a_long_list_aside_again_and_again_is_refused() {
        let items: Vec<Value> = (0..50_000).map(Value::from).collect();
        let add = value!({"op": "add", "path": "/0", "value": 1});
        assert_eq!(
            json(&items.into(), &vec![add; 10_000].into()),
            Err(refused())
        );
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
