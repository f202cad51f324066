//! [`Set`]: a set of fields, as `FieldsV1` of `managedFields` has it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::api::decode::quoted;

/// A step of a path as `FieldsV1` spells it: `f:spec`, `k:{"name":"a"}`, `v:"x"`.
pub(super) type Element = String;

/// Paths of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(BTreeMap<Element, Node>);

/// Is never empty: it is a member, or something below it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) member: bool,
    pub(super) below: Set,
}

/// The step to a field of a map.
pub(super) fn field(name: &str) -> Element {
    format!("f:{name}")
}

/// The step to an item of a set.
pub(super) fn value(item: &Value) -> Element {
    format!("v:{}", spelled(item))
}

/// The step to an item of a keyed list.
pub(super) fn key(keys: Map<String, Value>) -> Element {
    format!("k:{}", spelled(&Value::Object(keys)))
}

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = (&Element, &Node)> {
        self.0.iter()
    }

    pub(super) fn insert(&mut self, path: &[Element]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        if !self.0.contains_key(first) {
            self.0.insert(first.clone(), Node::default());
        }
        let node = self.0.get_mut(first).expect("it was put there");
        if rest.is_empty() {
            node.member = true;
        } else {
            node.below.insert(rest);
        }
    }

    /// Puts in a step with what is below it; nothing if that is nothing.
    pub(super) fn put(&mut self, element: Element, node: Node) {
        if node.member || !node.below.is_empty() {
            self.0.insert(element, node);
        }
    }

    pub(super) fn has(&self, element: &str) -> bool {
        self.0.get(element).is_some_and(|node| node.member)
    }

    pub(super) fn below(&self, element: &str) -> Option<&Self> {
        let below = self.0.get(element).map(|node| &node.below);
        below.filter(|below| !below.is_empty())
    }

    pub(super) fn union(mut self, other: Self) -> Self {
        for (element, node) in other.0 {
            let mine = self.0.entry(element).or_default();
            mine.member |= node.member;
            mine.below = std::mem::take(&mut mine.below).union(node.below);
        }
        self
    }

    pub(super) fn difference(&self, other: &Self) -> Self {
        self.combined(
            other,
            |mine, others| mine && !others,
            Self::difference,
            Self::clone,
        )
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let nothing = |_: &Self| Self::default();
        self.combined(
            other,
            |mine, others| mine && others,
            Self::intersection,
            nothing,
        )
    }

    /// Without the members of `other` and all below them.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for (element, node) in &self.0 {
            match other.0.get(element) {
                None => rest.put(element.clone(), node.clone()),
                Some(others) if others.member => {}
                Some(others) => {
                    let below = node.below.without(&others.below);
                    let member = node.member;
                    rest.put(element.clone(), Node { member, below });
                }
            }
        }
        rest
    }

    fn combined(
        &self,
        other: &Self,
        member: fn(bool, bool) -> bool,
        both: fn(&Self, &Self) -> Self,
        mine: fn(&Self) -> Self,
    ) -> Self {
        let mut combined = Self::default();
        for (element, node) in &self.0 {
            let others = other.0.get(element);
            let node = Node {
                member: member(node.member, others.is_some_and(|it| it.member)),
                below: others.map_or_else(|| mine(&node.below), |it| both(&node.below, &it.below)),
            };
            combined.put(element.clone(), node);
        }
        combined
    }

    /// All paths, as conflicts show them: `.spec.containers[name="a"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect(&mut String::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut String, paths: &mut Vec<String>) {
        for (element, node) in &self.0 {
            if node.member {
                paths.push(format!("{prefix}{}", shown(element)));
            }
        }
        for (element, node) in &self.0 {
            let length = prefix.len();
            prefix.push_str(&shown(element));
            node.below.collect(prefix, paths);
            prefix.truncate(length);
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let nodes = self.0.iter().map(|(element, node)| {
            let mut below = node.below.to_json();
            if node.member && !node.below.is_empty() {
                below["."] = Value::Object(Map::new());
            }
            (element.clone(), below)
        });
        Value::Object(nodes.collect())
    }

    /// Nothing if it is not `FieldsV1`.
    pub(super) fn from_json(fields: &Value) -> Option<Self> {
        let mut set = Self::default();
        for (name, below) in fields.as_object()? {
            if name == "." {
                continue;
            }
            let fields = below.as_object()?;
            let node = Node {
                member: fields.is_empty() || fields.contains_key("."),
                below: Self::from_json(below)?,
            };
            set.put(respelled(name)?, node);
        }
        Some(set)
    }
}

/// An element as this module spells it.
fn respelled(element: &str) -> Option<Element> {
    let (kind, content) = element.split_at_checked(2)?;
    let parsed = || serde_json::from_str::<Value>(content).ok();
    match kind {
        "f:" => Some(element.to_owned()),
        "i:" => content.parse::<i64>().ok().map(|it| format!("i:{it}")),
        "v:" => parsed().map(|it| value(&it)),
        "k:" => parsed()?.as_object().map(|it| key(it.clone())),
        _ => None,
    }
}

/// JSON as Go writes it.
fn spelled(value: &Value) -> String {
    let mut text = value.to_string();
    for (character, escape) in [("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")] {
        if text.contains(character) {
            text = text.replace(character, escape);
        }
    }
    text
}

/// `.spec`, `[name="a"]`, `[="x"]`, `[3]`.
pub(super) fn shown(element: &str) -> String {
    let (kind, content) = element.split_at(2);
    let parsed = || serde_json::from_str::<Value>(content).unwrap_or_default();
    let value = |value: &Value| match value {
        Value::String(text) => quoted(text),
        other => other.to_string(),
    };
    match kind {
        "f:" => format!(".{content}"),
        "v:" => format!("[={}]", value(&parsed())),
        "k:" => {
            let keys = parsed();
            let keys = keys.as_object().into_iter().flatten();
            let keys: Vec<_> = keys
                .map(|(name, it)| format!("{name}={}", value(it)))
                .collect();
            format!("[{}]", keys.join(","))
        }
        _ => format!("[{content}]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(fields: &Value) -> Set {
        Set::from_json(fields).unwrap()
    }

    #[test]
    fn fields_are_read_and_written_alike() {
        let fields = json!({
            "f:data": {".": {}, "f:a": {}},
            "f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:image": {}}}},
            "f:finalizers": {"v:\"x\"": {}},
            "f:list": {"i:0": {}},
        });
        assert_eq!(set(&fields).to_json(), fields);
        for bad in [
            json!({"x:a": {}}),
            json!({"k:1": {}}),
            json!({"f:a": 1}),
            json!({"": {}}),
        ] {
            assert_eq!(Set::from_json(&bad), None, "{bad}");
        }
    }

    #[test]
    fn spelling_of_a_key_does_not_matter() {
        let one = set(&json!({"k:{\"b\": 1, \"a\": \"<\"}": {}}));
        assert_eq!(one.to_json(), json!({"k:{\"a\":\"\\u003c\",\"b\":1}": {}}));
    }

    #[test]
    fn paths_are_shown_as_conflicts_show_them() {
        let fields = json!({"f:spec": {
            "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}},
            "f:replicas": {},
            "f:set": {"v:\"x\"": {}},
        }});
        assert_eq!(
            set(&fields).paths(),
            [
                ".spec.replicas",
                ".spec.ports[port=80,protocol=\"TCP\"]",
                ".spec.ports[port=80,protocol=\"TCP\"].name",
                ".spec.set[=\"x\"]"
            ]
        );
    }

    #[test]
    fn sets_are_combined_member_by_member() {
        let one = set(&json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}}));
        let other = set(&json!({"f:a": {}, "f:d": {}}));
        assert_eq!(
            one.difference(&other),
            set(&json!({"f:a": {"f:b": {}}, "f:c": {}}))
        );
        assert_eq!(one.intersection(&other), set(&json!({"f:a": {}})));
        assert_eq!(one.without(&other), set(&json!({"f:c": {}})));
        let all = json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}, "f:d": {}});
        assert_eq!(one.union(other), set(&all));
    }
}
