//! How a value of a type is taken apart: what is one value, what are the steps into the others.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::set::{self, Element};
use crate::api::schema::{ListKind, Shape};

/// What apply sees in a value of a type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parts {
    /// One value.
    Leaf,
    /// A struct or a map of its own fields.
    Map,
    /// A list of items that are told apart.
    List(&'static Shape, &'static ListKind),
}

/// One value, for fields that are not known.
pub(super) static ANY: Shape = Shape::Any;

/// The parts of a type.
pub(super) fn parts(shape: &'static Shape) -> Parts {
    match shape {
        Shape::Struct(_, false) | Shape::Map(_, false) => Parts::Map,
        Shape::List(item, kind) if *kind != ListKind::Atomic => Parts::List(item, kind),
        _ => Parts::Leaf,
    }
}

/// The type of a field, and whether the type of the map names it. Nothing if it is unknown.
pub(super) fn child(map: &'static Shape, name: &str) -> Option<(&'static Shape, bool)> {
    match map {
        Shape::Struct(of, _) => of.field(name).map(|field| (&field.shape, true)),
        Shape::Map(value, _) => Some((value, false)),
        _ => None,
    }
}

/// The step to an item.
///
/// # Errors
/// In the words of the real server, when the item has no key.
pub(super) fn element(kind: &ListKind, item: &Value) -> Result<Element, String> {
    let ListKind::Keyed(keys) = kind else {
        return match item {
            Value::Object(_) => {
                Err("associative list without keys has an element that's a map type")
            }
            Value::Array(_) => Err("not supported: associative list with lists as elements"),
            Value::Null => {
                Err("associative list without keys has an element that's an explicit null")
            }
            item => return Ok(set::value(item)),
        }
        .map_err(str::to_owned);
    };
    let fields = match item {
        Value::Object(fields) => fields,
        Value::Null => {
            return Err("associative list with keys may not have a null element".to_owned());
        }
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let given = keys.iter().filter_map(|(name, default)| {
        let value = fields.get(name).or(default.as_ref())?;
        Some((name.clone(), value.clone()))
    });
    let given: Map<_, _> = given.collect();
    if given.is_empty() {
        let names: Vec<_> = keys.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let names = names.join(" ");
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{names}] (and doesn't have default values for any key fields)"
        ));
    }
    Ok(set::key(given))
}

/// The fields of a map that may be absent or null.
pub(super) fn fields(value: Option<&Value>) -> &Map<String, Value> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    value.and_then(Value::as_object).unwrap_or(&NONE)
}

/// The items of a list that may be absent or null.
pub(super) fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Equal as apply sees it: `1` is `1.0`.
pub(super) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || (one.is_f64() != other.is_f64() && one.as_f64() == other.as_f64())
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value)| other.get(name).is_some_and(|it| equal(value, it));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}
