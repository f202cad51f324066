//! Runs a sequence on two servers side by side, and makes one that differs as short as it can be.

use serde_json::Value;

use crate::{operation::Operation, pool::Pool, side::Side};

/// Two answers to one operation.
#[derive(Debug)]
pub(crate) struct Difference {
    /// Which operation of the sequence.
    pub(crate) at: usize,
    pub(crate) left: Value,
    pub(crate) right: Value,
}

/// The first difference, if there is one.
pub(crate) async fn compare(servers: &[Pool; 2], sequence: &[Operation]) -> Option<Difference> {
    let [embedded, real] = servers;
    let plural = sequence.first()?.plural();
    let (left, right) = tokio::join!(embedded.take(), real.take());
    let (mut left, mut right) = tokio::join!(Side::new(left), Side::new(right));
    let mut found = None;
    for (at, operation) in sequence.iter().enumerate() {
        let (left, right) = tokio::join!(left.run(operation), right.run(operation));
        if left != right {
            found = Some(Difference { at, left, right });
            break;
        }
    }
    tokio::join!(
        embedded.give(left.context, plural),
        real.give(right.context, plural)
    );
    found
}

/// A shortest sequence that still differs: delta debugging by leaving out ever smaller parts.
pub(crate) async fn shrink(
    servers: &[Pool; 2],
    sequence: &[Operation],
    first: Difference,
) -> (Vec<Operation>, Difference) {
    let mut least = sequence[..=first.at].to_vec();
    let mut difference = first;
    let mut size = least.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < least.len() {
            let end = (at + size).min(least.len());
            let shorter = [&least[..at], &least[end..]].concat();
            match compare(servers, &shorter).await {
                Some(found) => {
                    least = shorter[..=found.at].to_vec();
                    difference = found;
                }
                None => at += size,
            }
        }
        size /= 2;
    }
    (least, difference)
}

/// What differs, by path.
pub(crate) fn paths(path: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or("(absent)".into())
                };
                paths(&format!("{path}/{key}"), &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                paths(&format!("{path}/{index}"), a, b, found);
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{path}\n    embedded {left}\n    real     {right}")),
    }
}
