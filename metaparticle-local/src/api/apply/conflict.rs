//! Fields of an applied configuration that others own with other values.

use serde_json::json;

use super::{
    compare::Difference,
    managers::{Identity, Managers},
    set::Set,
};
use crate::api::failure::Failure;

/// Owners with the fields that would be taken from them.
#[derive(Debug)]
pub(super) struct Conflicts(Vec<(Identity, Set)>);

impl Conflicts {
    /// What `found` takes from all but `applier`.
    pub(super) fn of(managers: &Managers, found: &Difference, applier: &Identity) -> Self {
        let written = found.modified.clone().union(found.added.clone());
        let others = managers.iter().filter(|entry| entry.who != *applier);
        let conflicts = others.map(|it| (it.who.clone(), it.fields.intersection(&written)));
        let mut conflicts: Vec<_> = conflicts.filter(|(_, fields)| !fields.is_empty()).collect();
        conflicts.sort_by(|(one, _), (other, _)| one.sorted_by().cmp(&other.sorted_by()));
        Self(conflicts)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are not about fields of `allowed`.
    pub(super) fn without(self, allowed: &Set) -> Self {
        let left = self.0.into_iter();
        let left = left.map(|(who, fields)| (who, fields.difference(allowed)));
        Self(left.filter(|(_, fields)| !fields.is_empty()).collect())
    }

    /// 409.
    pub(super) fn refused(&self) -> Failure {
        let each = self
            .0
            .iter()
            .map(|(who, fields)| (who.shown(), fields.paths()));
        let each: Vec<(String, Vec<String>)> = each.collect();
        let count: usize = each.iter().map(|(_, paths)| paths.len()).sum();
        let message = match each.as_slice() {
            [(who, paths)] if count == 1 => {
                format!(
                    "Apply failed with 1 conflict: conflict with {who}: {}",
                    paths[0]
                )
            }
            several => {
                let lines = several.iter().flat_map(|(who, paths)| {
                    let paths = paths.iter().map(|path| format!("- {path}"));
                    std::iter::once(format!("conflicts with {who}:")).chain(paths)
                });
                let lines: Vec<_> = lines.collect();
                format!("Apply failed with {count} conflicts: {}", lines.join("\n"))
            }
        };
        let causes: Vec<_> = each
            .iter()
            .flat_map(|(who, paths)| {
                let message = format!("conflict with {who}");
                paths.iter().map(move |path| {
                    json!({"reason": "FieldManagerConflict", "message": message, "field": path})
                })
            })
            .collect();
        Failure::new(409, "Conflict", message).with_details(json!({ "causes": causes }))
    }
}
