//! JSON patch, merge patch and strategic merge patch: pure functions on values.
//!
//! A patch goes through [`read`] (what was sent), one of [`json`], [`merge`] and [`strategic`] (what it makes of the
//! object), and [`finish`] (an object of its kind again).

mod directive;
mod json;
mod merge;
mod order;
mod strategic;

use serde_json::{Value, json as value};

pub use self::{json::json, merge::merge, strategic::strategic};
use super::{
    decode::{self, Decoded, Document, FieldValidation},
    failure::Failure,
    resource::Resource,
};

/// What kind of patch a body is, by its content type; apply is not one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `application/json-patch+json`
    Json,
    /// `application/merge-patch+json`
    Merge,
    /// `application/strategic-merge-patch+json`
    Strategic,
}

/// A patch that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// What to change.
    pub value: Value,
    /// Repeated keys, and fields that a JSON patch does not have.
    pub problems: Vec<String>,
}

/// The body of a patch.
///
/// # Errors
/// 400 for text that is no such patch.
pub fn read(kind: Kind, body: &[u8]) -> Result<Patch, Failure> {
    let refused = |problem: String| {
        Failure::bad_request(match kind {
            Kind::Strategic => problem,
            _ => format!("error decoding patch: {problem}"),
        })
    };
    let document = decode::read_json(body).map_err(refused)?;
    let problems = match (kind, &document) {
        (Kind::Merge, Document::Null) => return Err(Failure::bad_request("Invalid JSON Patch")),
        (Kind::Json, document) => json::problems(document).map_err(refused)?,
        (_, Document::Map(_) | Document::Null) => document.duplicates(),
        (_, other) => {
            let found = other.go_kind();
            return Err(refused(format!(
                "json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
            )));
        }
    };
    let value = document.into_value();
    Ok(Patch { value, problems })
}

/// What a patch makes of an object.
///
/// # Errors
/// As the one of its kind.
pub fn apply(
    resource: &'static Resource,
    kind: Kind,
    current: &Value,
    patch: &Patch,
) -> Result<Value, Failure> {
    match kind {
        Kind::Json => json(current, &patch.value),
        Kind::Merge => Ok(merge(current, &patch.value)),
        Kind::Strategic => strategic(resource, current, &patch.value),
    }
}

/// What a patch made of an object, as an object of `resource`.
///
/// # Errors
/// 422, when a value has a wrong type, or (if `validation` is strict) there are unknown fields or problems in `patch`.
pub fn finish(
    resource: &'static Resource,
    kind: Kind,
    patch: &Patch,
    patched: Value,
    validation: FieldValidation,
) -> Result<Decoded, Failure> {
    let decoded = |patched: Value| {
        let (object, unknown) = match kind {
            Kind::Strategic => decode::typed_unstructured(resource, patched),
            _ => decode::typed(resource, patched),
        }?;
        let mut warnings = patch.problems.clone();
        warnings.extend(unknown);
        let warnings = validation.judge(warnings)?;
        Ok(Decoded { object, warnings })
    };
    let copy = patched.clone();
    let shown = || match kind {
        Kind::Strategic => directive::printed(&patch.value),
        _ => copy.to_string(),
    };
    decoded(patched).map_err(|problem: String| invalid(&shown(), &problem))
}

/// 422 of a patch whose result is no object of its kind.
fn invalid(shown: &str, problem: &str) -> Failure {
    let message = format!("Invalid value: {}: {problem}", decode::quoted(shown));
    Failure::new(
        422,
        "Invalid",
        format!(" \"\" is invalid: patch: {message}"),
    )
    .with_details(value!({
        "causes": [{"reason": "FieldValueInvalid", "message": message, "field": "patch"}],
    }))
}
