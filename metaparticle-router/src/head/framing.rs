//! How long a request's body says it is, and whether it says so in two ways.

use http::{
    HeaderMap, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

use super::{
    connection::is,
    name::{Counts, Kind},
};
use crate::{Reason, Refusal};

/// Of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// None, or of no byte.
    Empty,
    Known,
    Chunked,
}

/// Length and coding together are refused: two programs may take one each, and what one calls a body is a request to the
/// other. So are a coding of HTTP/1.0 or 2, two different lengths, and a length that is no number.
pub(super) fn length(
    headers: &HeaderMap,
    version: Version,
    seen: &Counts,
) -> Result<Length, Refusal> {
    let codings = seen.of(Kind::TransferEncoding);
    match (codings, seen.of(Kind::ContentLength)) {
        (0, 0) => Ok(Length::Empty),
        (0, _) => known(headers),
        (1, 0) if version == Version::HTTP_11 => match headers.get(TRANSFER_ENCODING) {
            Some(value) if is(value, "chunked") => Ok(Length::Chunked),
            _ => Err(Reason::BadCoding.into()),
        },
        _ => Err(Reason::BadFraming.into()),
    }
}

fn known(headers: &HeaderMap) -> Result<Length, Refusal> {
    let mut all = headers.get_all(CONTENT_LENGTH).iter().map(|value| {
        let digits = value.as_bytes();
        let plain = digits.iter().all(u8::is_ascii_digit);
        let text = value.to_str().ok().filter(|_| plain)?;
        text.parse::<u64>().ok()
    });
    let first = all.next().flatten().ok_or(Reason::BadFraming)?;
    if all.any(|other| other != Some(first)) {
        return Err(Reason::BadFraming.into());
    }
    Ok(if first == 0 {
        Length::Empty
    } else {
        Length::Known
    })
}
