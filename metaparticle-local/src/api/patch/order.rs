//! The order of a merged list: items of the patch in its order, the others where they were.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    directive::{self, no_merge_key},
    strategic::has_directive,
};
use crate::api::failure::Failure;

/// Sorts `merged` by `wanted` where it is in that list, and by `before` otherwise.
pub(super) fn sorted(
    merged: Vec<Value>,
    wanted: &[Value],
    before: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, Failure> {
    if let Some(key) = key {
        for item in merged.iter().chain(wanted).chain(before) {
            let item = item
                .as_object()
                .ok_or_else(|| directive::bad_type("map[string]interface {}", item))?;
            if !item.contains_key(key) {
                return Err(no_merge_key(item, key));
            }
        }
    }
    let (in_wanted, in_before) = (places(wanted, key), places(before, key));
    let place = |places: &Places<'_>, item: &Value| places.get(&identity(item, key)).copied();
    let (mut patched, mut others): (Vec<_>, Vec<_>) = merged
        .into_iter()
        .partition(|item| place(&in_wanted, item).is_some());
    patched.sort_by_cached_key(|item| place(&in_wanted, item));
    others.sort_by_cached_key(|item| place(&in_before, item).unwrap_or(usize::MAX));
    let mut all = Vec::with_capacity(patched.len() + others.len());
    let (mut patched, mut others) = (
        patched.into_iter().peekable(),
        others.into_iter().peekable(),
    );
    while let (Some(other), Some(patch)) = (others.peek(), patched.peek()) {
        let other_first = matches!(
            (place(&in_before, other), place(&in_before, patch)),
            (Some(other), Some(patch)) if other < patch
        );
        all.extend(if other_first {
            others.next()
        } else {
            patched.next()
        });
    }
    all.extend(others);
    all.extend(patched);
    Ok(all)
}

/// That the items of `patch` come in the order of `wanted`.
pub(super) fn check(patch: &[Value], wanted: &[Value], key: Option<&str>) -> Result<(), Failure> {
    if patch.is_empty() || wanted.is_empty() {
        return Ok(());
    }
    let mut at = 0;
    for item in patch.iter().filter(|item| !has_directive(item)) {
        if let Some(key) = key {
            for item in [item, &wanted[at.min(wanted.len() - 1)]] {
                let item = item
                    .as_object()
                    .ok_or_else(|| directive::bad_type("map[string]interface {}", item))?;
                if !item.contains_key(key) {
                    return Err(no_merge_key(item, key));
                }
            }
        }
        let same = |other: &Value| identity(other, key) == identity(item, key);
        let Some(found) = wanted[at..].iter().position(same) else {
            let list = |items: &[Value]| directive::printed(&Value::Array(items.to_vec()));
            let (patch, wanted) = (list(patch), list(wanted));
            let order = directive::SET_ORDER;
            return Err(directive::unexpected(format!(
                "The order in patch list:\n{patch}\n doesn't match {order} list:\n{wanted}\n"
            )));
        };
        at += found + 1;
    }
    Ok(())
}

type Places<'v> = HashMap<Option<&'v Value>, usize>;

/// Where each item is first.
fn places<'v>(list: &'v [Value], key: Option<&str>) -> Places<'v> {
    let mut places = Places::with_capacity(list.len());
    for (at, item) in list.iter().enumerate() {
        places.entry(identity(item, key)).or_insert(at);
    }
    places
}

fn identity<'v>(item: &'v Value, key: Option<&str>) -> Option<&'v Value> {
    match key {
        Some(key) => item.get(key),
        None => Some(item),
    }
}
