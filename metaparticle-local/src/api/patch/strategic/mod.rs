//! Kubernetes' strategic merge patch, by patch-merge-key.
//!
//! `$patch` deletes, replaces or merges a map or an item; `$retainKeys` drops the other keys; `$setElementOrder/x`
//! sorts a list; `$deleteFromPrimitiveList/x` takes texts out of one. As `k8s.io/apimachinery/pkg/util/strategicpatch`.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{
    directive::{self, DELETE_FROM, PATCH, RETAIN_KEYS, SET_ORDER, field_of, no_merge_key},
    order,
};
use crate::api::{
    failure::Failure,
    resource::Resource,
    schema::{self, Patch, Shape},
};

type Object = Map<String, Value>;

/// Lists are replaced, maps are merged.
static NO_PATCH: Patch = Patch {
    merge: false,
    replace: false,
    key: None,
};

/// What a strategic merge patch makes of an object of `resource`.
///
/// # Errors
/// 400 for bad directives, 422 for lists of lists, 500 for what the real server does not expect.
pub fn strategic(
    resource: &'static Resource,
    current: &Value,
    patch: &Value,
) -> Result<Value, Failure> {
    let (Value::Object(current), Value::Object(patch)) = (current, patch) else {
        // `null`, which changes nothing.
        return Ok(current.clone());
    };
    let of = schema::of(resource);
    let place = Place::Fields(of);
    merge_map(current.clone(), patch.clone(), place).map(Value::Object)
}

/// Where in the type a map is.
#[derive(Clone, Copy)]
enum Place {
    Fields(&'static schema::Type),
    Values(&'static Shape),
    /// Below a map or a list whose items have no fields.
    Unknown,
}

impl Place {
    fn of(shape: &'static Shape) -> Self {
        match shape {
            Shape::Struct(of, _) => Self::Fields(of),
            Shape::Map(value, _) => Self::Values(value),
            Shape::List(item, _) => Self::of(item),
            _ => Self::Unknown,
        }
    }

    /// How the field `name` is merged, and where its map or its items are.
    fn field(self, name: &str) -> Result<(Self, &'static Patch), Failure> {
        match self {
            Self::Fields(of) => match of.field(name) {
                Some(field) => Ok((Self::of(&field.shape), &field.patch)),
                None => Err(directive::unexpected(format!(
                    "unable to find api field in struct {} for the json field {}",
                    of.short_name(),
                    crate::api::decode::quoted(name)
                ))),
            },
            Self::Values(shape) => Ok((Self::of(shape), &NO_PATCH)),
            Self::Unknown => Ok((Self::Unknown, &NO_PATCH)),
        }
    }
}

fn merge_map(mut original: Object, mut patch: Object, place: Place) -> Result<Object, Failure> {
    if let Some(directive) = patch.get(PATCH) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(PATCH);
                Ok(patch)
            }
            Some("delete") => Ok(Object::new()),
            _ => Err(unknown_directive(directive, &patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    set_orders(&mut original, &mut patch, place)?;
    for (name, value) in patch {
        let deletes = name.starts_with(DELETE_FROM);
        let field = if deletes {
            field_of(&name, DELETE_FROM)?
        } else {
            &name
        };
        if value.is_null() {
            original.remove(field);
            continue;
        }
        let Some(before) = original.get_mut(field) else {
            if !deletes {
                insert(&mut original, field, value);
            }
            continue;
        };
        match (before.take(), value) {
            (Value::Object(before), Value::Object(value)) => {
                let (inner, how) = place.field(field)?;
                let merged = if how.replace {
                    value
                } else {
                    merge_map(before, value, inner)?
                };
                original.insert(field.to_owned(), merged.into());
            }
            (Value::Array(before), Value::Array(value)) => {
                let (inner, how) = place.field(field)?;
                let merged = if deletes {
                    delete_from(before, &value)?
                } else if how.merge {
                    merge_list(before, value, inner, how.key.as_deref())?
                } else {
                    value
                };
                original.insert(field.to_owned(), merged.into());
            }
            (before, _) if deletes => {
                original.insert(field.to_owned(), before);
            }
            (_, value) => insert(&mut original, field, value),
        }
    }
    Ok(original)
}

/// `$retainKeys`: only the named keys stay.
fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<(), Failure> {
    let Some(retained) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let bad = || directive::bad("invalid patch format of retainKeys");
    let retained = retained.as_array().ok_or_else(bad)?;
    let retained: HashSet<&str> = retained.iter().filter_map(Value::as_str).collect();
    let is_retained = |name: &str| retained.contains(name);
    let is_field = |(name, value): &(&String, &Value)| {
        !value.is_null() && !name.starts_with(DELETE_FROM) && !name.starts_with(SET_ORDER)
    };
    if patch
        .iter()
        .filter(is_field)
        .any(|(name, _)| !is_retained(name))
    {
        return Err(bad());
    }
    original.retain(|name, _| is_retained(name));
    Ok(())
}

/// `$setElementOrder/x`: `x` is merged and sorted.
fn set_orders(original: &mut Object, patch: &mut Object, place: Place) -> Result<(), Failure> {
    let names = patch.keys().filter(|name| name.starts_with(SET_ORDER));
    for name in names.cloned().collect::<Vec<_>>() {
        let list = |value: Value| match value {
            Value::Array(items) => Ok(items),
            other => Err(directive::bad_type("[]interface {}", &other)),
        };
        let wanted = list(patch.remove(&name).unwrap_or_default())?;
        let field = field_of(&name, SET_ORDER)?;
        let (inner, how) = place.field(field)?;
        let before = original.get(field).cloned().map(list).transpose()?;
        let changes = patch.get(field).cloned().map(list).transpose()?;
        let key = how.key.as_deref();
        order::check(changes.as_deref().unwrap_or_default(), &wanted, key)?;
        let merged = match (before.clone(), changes) {
            (None, None) => continue,
            (Some(before), None) => before,
            (None, Some(changes)) => without_directives(changes),
            (Some(before), Some(changes)) if how.merge => merge_list(before, changes, inner, key)?,
            (Some(_), Some(changes)) => changes,
        };
        let sorted = order::sorted(merged, &wanted, before.as_deref().unwrap_or_default(), key)?;
        patch.remove(field);
        original.insert(field.to_owned(), sorted.into());
    }
    Ok(())
}

fn delete_from(before: Vec<Value>, deleted: &[Value]) -> Result<Vec<Value>, Failure> {
    let all = before.iter().chain(deleted);
    one_type(all)?;
    let deleted: HashSet<&Value> = deleted.iter().collect();
    let stays = |item: &Value| !deleted.contains(item);
    Ok(before.into_iter().filter(stays).collect())
}

fn merge_list(
    mut before: Vec<Value>,
    changes: Vec<Value>,
    place: Place,
    key: Option<&str>,
) -> Result<Vec<Value>, Failure> {
    if !one_type(before.iter().chain(&changes))? {
        let mut there = HashSet::new();
        let all = before.iter().chain(&changes);
        let merged = all.filter(|item| there.insert(*item)).cloned().collect();
        return order::sorted(merged, &changes, &before, None);
    }
    let Some(key) = key else {
        let of = match place {
            Place::Fields(of) => of.short_name(),
            _ => "",
        };
        return Err(directive::unexpected(format!(
            "cannot merge lists without merge key for {of}"
        )));
    };
    let mut kept = Vec::new();
    let mut deleted = HashSet::new();
    let mut replace = false;
    for change in changes {
        let Value::Object(item) = change else {
            continue;
        };
        match item.get(PATCH).map(|it| it.as_str().unwrap_or_default()) {
            None => kept.push(item),
            Some("delete") => {
                let of = item.get(key).ok_or_else(|| no_merge_key(&item, key))?;
                deleted.insert(of.clone());
            }
            Some("replace") => replace = true,
            Some("merge") => {
                return Err(directive::unexpected(
                    "merging lists cannot yet be specified in the patch",
                ));
            }
            Some(_) => return Err(unknown_directive(&item[PATCH], &item)),
        }
    }
    if replace {
        return Ok(kept.into_iter().map(Value::Object).collect());
    }
    before.retain(|other| other.get(key).is_none_or(|of| !deleted.contains(of)));
    let mut merged = before.clone();
    let mut places = HashMap::new();
    for (at, item) in merged.iter().enumerate() {
        if let Some(of) = item.get(key) {
            places.entry(of.clone()).or_insert(at);
        }
    }
    let wanted: Vec<_> = kept.iter().cloned().map(Value::Object).collect();
    for change in kept {
        let of = change.get(key).ok_or_else(|| no_merge_key(&change, key))?;
        let at = *places.entry(of.clone()).or_insert(merged.len());
        match merged.get_mut(at) {
            Some(Value::Object(found)) => {
                *found = merge_map(std::mem::take(found), change, place)?;
            }
            _ => merged.push(Value::Object(change)),
        }
    }
    order::sorted(merged, &wanted, &before, Some(key))
}

/// Whether all items are maps; they have to be of one type.
fn one_type<'v>(items: impl Iterator<Item = &'v Value>) -> Result<bool, Failure> {
    let mut first: Option<&Value> = None;
    for item in items {
        if item.is_array() && first.is_none() {
            return Err(directive::unprocessable("lists of lists are not supported"));
        }
        let first = *first.get_or_insert(item);
        if directive::go_type(first) != directive::go_type(item) {
            return Err(directive::unexpected(
                "list element types are not identical",
            ));
        }
    }
    Ok(first.is_some_and(Value::is_object))
}

/// Puts in a value that was not there: directives and nulls in it mean nothing.
fn insert(object: &mut Object, name: &str, value: Value) {
    match without_nulls_and_directives(value, true) {
        Some(value) => object.insert(name.to_owned(), value),
        None => object.remove(name),
    };
}

fn without_directives(items: Vec<Value>) -> Vec<Value> {
    let items = items.into_iter();
    items
        .filter_map(|item| without_nulls_and_directives(item, false))
        .collect()
}

fn without_nulls_and_directives(value: Value, no_nulls: bool) -> Option<Value> {
    Some(match value {
        Value::Object(fields) if fields.contains_key(PATCH) => return None,
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !(no_nulls && value.is_null()))
            .filter_map(|(name, it)| Some((name, without_nulls_and_directives(it, no_nulls)?)))
            .collect(),
        Value::Array(items) => items
            .into_iter()
            .filter_map(|item| without_nulls_and_directives(item, no_nulls))
            .collect(),
        other => other,
    })
}

pub(super) fn has_directive(item: &Value) -> bool {
    item.get(PATCH).is_some()
}

fn unknown_directive(directive: &Value, patch: &Object) -> Failure {
    let patch = directive::printed(&Value::Object(patch.clone()));
    let directive = directive::printed(directive);
    directive::unexpected(format!("unknown patch type: {directive} in map: {patch}"))
}

#[cfg(test)]
mod tests;
