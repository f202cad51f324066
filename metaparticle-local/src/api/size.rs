//! How large an object may be: as large as etcd takes it.

use serde_json::Value;

use super::failure::Failure;

/// What a client of etcd sends at most.
const MOST_SENT: usize = 2_097_152;
/// What etcd takes at most.
const MOST_TAKEN: usize = 1_572_864;

/// Refuses an object that is too large to be stored.
pub(super) fn check(object: &Value) -> Result<(), Failure> {
    match size(object) {
        size if size > MOST_SENT => Err(Failure::unreasoned(format!(
            "rpc error: code = ResourceExhausted desc = trying to send message larger than max ({size} vs. {MOST_SENT})"
        ))),
        size if size > MOST_TAKEN => Err(Failure::unreasoned("etcdserver: request is too large")),
        _ => Ok(()),
    }
}

/// About the length of its text.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|it| size(it) + 1).sum::<usize>() + 1,
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| name.len() + 4 + size(value));
            fields.sum::<usize>() + 1
        }
    }
}
