//! The fields of one value, and a value without some of its fields.

use serde_json::{Map, Value};

use super::{
    set::{self, Node, Set},
    walk::{self, Parts},
};
use crate::api::schema::{ListKind, Shape};

/// All fields of an object.
pub(super) fn of(shape: &'static Shape, value: &Value) -> Set {
    node(shape, value).below
}

fn node(shape: &'static Shape, value: &Value) -> Node {
    match walk::parts(shape) {
        Parts::Leaf => Node {
            member: true,
            below: Set::default(),
        },
        Parts::Map => Node {
            member: false,
            below: of_map(shape, walk::fields(Some(value))),
        },
        Parts::List(item, kind) => Node {
            member: false,
            below: of_list(item, kind, walk::items(Some(value))),
        },
    }
}

fn of_map(shape: &'static Shape, fields: &Map<String, Value>) -> Set {
    let mut set = Set::default();
    for (name, value) in fields {
        let Some((child, named)) = walk::child(shape, name) else {
            continue;
        };
        let mut node = node(child, value);
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        node.member |= empty || !named;
        set.put(set::field(name), node);
    }
    set
}

fn of_list(item: &'static Shape, kind: &ListKind, items: &[Value]) -> Set {
    let mut set = Set::default();
    for value in items {
        let Ok(element) = walk::element(kind, value) else {
            continue;
        };
        let repeated = set.has(&element);
        let mut node = if repeated {
            Node::default()
        } else {
            node(item, value)
        };
        node.member = true;
        set.put(element, node);
    }
    set
}

/// The value without the fields of a set; nothing (`null`) of a map or list that becomes empty.
pub(super) fn without(shape: &'static Shape, value: &Value, removed: &Set) -> Value {
    match walk::parts(shape) {
        Parts::Map => map_without(shape, walk::fields(Some(value)), removed),
        Parts::List(item, kind) => {
            let items = walk::items(Some(value));
            list_without(item, kind, items, removed)
        }
        // What is one value has no fields; a scalar stays, as in structured-merge-diff.
        Parts::Leaf if value.is_array() || value.is_object() => Value::Null,
        Parts::Leaf => value.clone(),
    }
}

fn map_without(shape: &'static Shape, fields: &Map<String, Value>, removed: &Set) -> Value {
    let mut rest = Map::new();
    for (name, value) in fields {
        let element = set::field(name);
        if removed.has(&element) {
            continue;
        }
        let child = walk::child(shape, name);
        let value = match (removed.below(&element), child) {
            (Some(below), Some((child, _))) => without(child, value, below),
            _ => value.clone(),
        };
        rest.insert(name.clone(), value);
    }
    if rest.is_empty() {
        Value::Null
    } else {
        Value::Object(rest)
    }
}

fn list_without(item: &'static Shape, kind: &ListKind, items: &[Value], removed: &Set) -> Value {
    let mut rest = Vec::new();
    for value in items {
        let element = walk::element(kind, value).unwrap_or_default();
        if removed.has(&element) {
            continue;
        }
        rest.push(match removed.below(&element) {
            Some(below) => without(item, value, below),
            None => value.clone(),
        });
    }
    if rest.is_empty() {
        Value::Null
    } else {
        Value::Array(rest)
    }
}

/// The set with every named field on the way to a member, too.
pub(super) fn with_parents(shape: &'static Shape, set: &Set) -> Set {
    let mut all = Set::default();
    for (element, node) in set.nodes() {
        let (child, named) = match (element.split_at(2), shape) {
            (("f:", name), Shape::Struct(..) | Shape::Map(..)) => {
                walk::child(shape, name).unwrap_or((&walk::ANY, false))
            }
            (("k:", _), Shape::List(item, _)) => (&**item, false),
            _ => (&walk::ANY, false),
        };
        let node = Node {
            member: node.member || (named && !node.below.is_empty()),
            below: with_parents(child, &node.below),
        };
        all.put(element.clone(), node);
    }
    all
}
