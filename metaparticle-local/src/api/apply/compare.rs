//! What differs between two values of a type, as sets of fields.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    set::{self, Element, Set},
    walk::{self, Parts},
};
use crate::api::schema::{ListKind, Shape};

/// The fields that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) added: Set,
    pub(super) modified: Set,
    pub(super) removed: Set,
}

impl Difference {
    /// Without fields that count for nobody, and all below them.
    pub(super) fn without(&self, ignored: &Set) -> Self {
        Self {
            added: self.added.without(ignored),
            modified: self.modified.without(ignored),
            removed: self.removed.without(ignored),
        }
    }
}

/// Compares two objects.
pub(super) fn compare(shape: &'static Shape, old: &Value, new: &Value) -> Difference {
    let mut walker = Walker::default();
    walker.compare(shape, Some(old), Some(new));
    walker.found
}

#[derive(Default)]
struct Walker {
    path: Vec<Element>,
    found: Difference,
}

impl Walker {
    fn compare(&mut self, shape: &'static Shape, old: Option<&Value>, new: Option<&Value>) {
        let parts = walk::parts(shape);
        let nothing = match parts {
            Parts::Leaf => true,
            Parts::Map => walk::fields(old).is_empty() && walk::fields(new).is_empty(),
            Parts::List(..) => walk::items(old).is_empty() && walk::items(new).is_empty(),
        };
        match parts {
            _ if nothing => return self.leaf(old, new),
            Parts::List(item, kind) => self.list(item, kind, walk::items(old), walk::items(new)),
            _ => self.map(shape, old, new),
        }
        match (old, new) {
            (None, _) => self.found.added.insert(&self.path),
            (_, None) => self.found.removed.insert(&self.path),
            _ => {}
        }
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (Some(old), Some(new)) if walk::equal(old, new) => {}
            (Some(_), Some(_)) => self.found.modified.insert(&self.path),
            (None, _) => self.found.added.insert(&self.path),
            (_, None) => self.found.removed.insert(&self.path),
        }
    }

    fn map(&mut self, shape: &'static Shape, old: Option<&Value>, new: Option<&Value>) {
        let (old, new) = (walk::fields(old), walk::fields(new));
        let dropped = old.iter().filter(|(name, _)| !new.contains_key(*name));
        let dropped = dropped.map(|(name, value)| (name, Some(value), None));
        let present = new.iter();
        let present = present.map(|(name, value)| (name, old.get(name), Some(value)));
        for (name, old, new) in dropped.chain(present) {
            let Some((child, _)) = walk::child(shape, name) else {
                continue;
            };
            if old == new {
                continue;
            }
            self.path.push(set::field(name));
            self.compare(child, old, new);
            self.path.pop();
        }
    }

    fn list(&mut self, item: &'static Shape, kind: &ListKind, old: &[Value], new: &[Value]) {
        let mut both: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for value in old {
            if let Ok(element) = walk::element(kind, value) {
                both.entry(element).or_default().0.push(value);
            }
        }
        for value in new {
            if let Ok(element) = walk::element(kind, value) {
                both.entry(element).or_default().1.push(value);
            }
        }
        for (element, (old, new)) in both {
            self.path.push(element);
            match (old.as_slice(), new.as_slice()) {
                ([] | [_], [] | [_]) => {
                    self.compare(item, old.first().copied(), new.first().copied());
                }
                ([_, _, ..], [_, _, ..]) => {
                    let same = old.len() == new.len();
                    if !(same && old.iter().zip(&new).all(|(old, new)| walk::equal(old, new))) {
                        self.found.modified.insert(&self.path);
                    }
                }
                ([_, _, ..], _) => {
                    if let Some(new) = new.first() {
                        self.compare(item, None, Some(new));
                    }
                    self.found.removed.insert(&self.path);
                }
                _ => {
                    if let Some(old) = old.first() {
                        self.compare(item, Some(old), None);
                    }
                    self.found.added.insert(&self.path);
                }
            }
            self.path.pop();
        }
    }
}
