//! Bodies of requests: text to objects that have the fields of their type and no others.

use serde_json::Value;

use super::{failure::Failure, resource::Resource};

/// What to do with fields that the type does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Drop them silently.
    Ignore,
    /// Drop them and say so in a `Warning` header.
    #[default]
    Warn,
    /// Refuse the request.
    Strict,
}

/// An object of its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// With known fields only, empty lists and maps left out as the real server does.
    pub object: Value,
    /// What was dropped, one sentence each.
    pub warnings: Vec<String>,
}

/// JSON or YAML text to a value, as one document. Duplicate keys, nesting beyond the real server's limit and bad text
/// are refused.
pub fn parse(body: &[u8], content_type: &str) -> Result<Value, Failure> {
    let _ = (body, content_type);
    unimplemented!()
}

/// A value to an object of `resource`: `apiVersion` and `kind` are checked (and added where absent), every value has the
/// type of its field, unknown fields are treated by `validation`.
pub fn decode(
    resource: &'static Resource,
    value: Value,
    validation: FieldValidation,
) -> Result<Decoded, Failure> {
    let _ = (resource, value, validation);
    unimplemented!()
}
