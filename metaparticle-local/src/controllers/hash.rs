//! The short hash in names: of a template, or of a revision.

use serde_json::Value;

/// Letters and digits that spell no words, as Kubernetes' names use.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The same for equal values (FNV-1a, 32 bits, in decimal digits written by [`ALPHABET`]); `collisions` makes another.
pub(super) fn hash(value: &Value, collisions: Option<i32>) -> String {
    let text = value.to_string(); // keys are in order
    let extra = collisions.filter(|it| *it != 0).map(i32::to_le_bytes);
    let bytes = text.bytes().chain(extra.into_iter().flatten());
    let sum = bytes.fold(0x811c_9dc5_u32, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let digits = sum.to_string().into_bytes();
    digits
        .into_iter()
        .map(|digit| char::from(ALPHABET[usize::from(digit) % 27]))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_have_one_hash_and_collisions_another() {
        let one = json!({"a": 1, "b": 2});
        let other: Value = serde_json::from_str(r#"{"b": 2, "a": 1}"#).unwrap();
        assert_eq!(hash(&one, None), hash(&other, Some(0)));
        assert_ne!(hash(&one, None), hash(&one, Some(1)));
        assert_ne!(hash(&one, None), hash(&json!({"a": 1, "b": 3}), None));
        assert!(hash(&one, None).bytes().all(|it| ALPHABET.contains(&it)));
    }
}
