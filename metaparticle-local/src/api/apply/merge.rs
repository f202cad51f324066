//! An applied configuration into an object, by the kinds of its maps and lists.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{
    set::Element,
    walk::{self, Parts},
};
use crate::api::schema::{ListKind, Shape};

/// The object with the values of the configuration. What is empty is left out.
pub(super) fn merge(shape: &'static Shape, live: &Value, config: &Value) -> Value {
    merged(shape, Some(live), Some(config)).unwrap_or_default()
}

fn merged(shape: &'static Shape, live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
    let either = config.or(live)?;
    let kept = || Some(either.clone());
    match walk::parts(shape) {
        Parts::Leaf => kept(),
        Parts::Map => {
            let (live, config) = (walk::fields(live), walk::fields(config));
            if live.is_empty() && config.is_empty() {
                return kept();
            }
            merged_map(shape, live, config)
        }
        Parts::List(item, kind) => {
            let (live, config) = (walk::items(live), walk::items(config));
            if live.is_empty() && config.is_empty() {
                return kept();
            }
            merged_list(item, kind, live, config)
        }
    }
}

fn merged_map(
    shape: &'static Shape,
    live: &Map<String, Value>,
    config: &Map<String, Value>,
) -> Option<Value> {
    let only_live = live.iter().filter(|(name, _)| !config.contains_key(*name));
    let only_live = only_live.map(|(name, value)| (name, Some(value), None));
    let applied = config.iter();
    let applied = applied.map(|(name, value)| (name, live.get(name), Some(value)));
    let mut out = Map::new();
    for (name, live, config) in only_live.chain(applied) {
        let (child, _) = walk::child(shape, name).unwrap_or((&walk::ANY, false));
        if let Some(value) = merged(child, live, config) {
            out.insert(name.clone(), value);
        }
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

/// Items of the configuration keep its order, and what is live only keeps its place among them.
fn merged_list(
    item: &'static Shape,
    kind: &ListKind,
    live: &[Value],
    config: &[Value],
) -> Option<Value> {
    let elements = |list: &[Value]| -> Vec<Element> {
        let elements = list.iter().map(|value| walk::element(kind, value));
        elements.map(Result::unwrap_or_default).collect()
    };
    let (lefts, rights) = (elements(live), elements(config));
    let (in_live, in_config) = (by_element(&lefts, live), by_element(&rights, config));
    let mut shared = rights.iter().filter(|it| in_live.contains_key(it));
    let mut next_shared = shared.next();
    let mut taken = HashSet::new();
    let mut out = Vec::new();
    let (mut left, mut right) = (0, 0);
    loop {
        let (from_live, from_config) = (lefts.get(left), rights.get(right));
        if let (Some(mine), Some(_)) = (from_live, from_config)
            && from_live != from_config
            && in_config.contains_key(mine)
            && next_shared.is_some_and(|next| next != mine)
        {
            // It comes elsewhere, where the configuration has it.
            left += 1;
            continue;
        }
        if let Some(mine) = from_live
            && from_live != from_config
        {
            if !in_config.contains_key(mine) {
                out.extend(merged(item, Some(&live[left]), None));
                left += 1;
                continue;
            }
            left += usize::from(taken.contains(mine));
        }
        let Some(applied) = from_config else {
            if from_live.is_none() {
                break;
            }
            continue;
        };
        left += usize::from(from_live == from_config);
        right += 1;
        taken.insert(applied);
        let (live, config) = (in_live.get(applied), in_config.get(applied));
        out.extend(merged(item, live.copied(), config.copied()));
        if next_shared == Some(applied) {
            next_shared = shared.next();
        }
    }
    (!out.is_empty()).then_some(Value::Array(out))
}

/// Items by their step; one that is there several times has no value that could be merged.
fn by_element<'v>(elements: &'v [Element], list: &'v [Value]) -> HashMap<&'v Element, &'v Value> {
    static NULL: Value = Value::Null;
    let mut found = HashMap::new();
    for (element, value) in elements.iter().zip(list) {
        let value = if found.contains_key(element) {
            &NULL
        } else {
            value
        };
        found.insert(element, value);
    }
    found
}
