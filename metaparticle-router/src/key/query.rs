//! A parameter of a query, decoded as a form's.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The value of the first parameter of that name; empty if it has none.
pub(super) fn first<'a>(query: &'a str, name: &str) -> Option<Cow<'a, [u8]>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // Most names are written plainly: they are not decoded to be compared.
        let same = key == name || (key.contains(['%', '+']) && *decoded(key) == *name.as_bytes());
        same.then(|| decoded(value))
    })
}

fn decoded(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if bytes.contains(&b'+') {
        let spaced: Vec<u8> = bytes
            .iter()
            .map(|&byte| if byte == b'+' { b' ' } else { byte })
            .collect();
        return Cow::Owned(percent_decode(&spaced).collect());
    }
    percent_decode(bytes).into()
}
