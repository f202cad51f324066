//! [`leave`]: the head of a response, on its way to a client.

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE},
    response::Parts,
};

use super::{connection::remove_named, name::Kind};
use crate::wire;

/// Takes off what ends here: whatever `Connection` names, what ends at each hop, each internal header. Of a gate's
/// response the reason of a refusal stays. A 101 to a WebSocket keeps its `Upgrade`.
pub fn leave(parts: &mut Parts, from_gate: bool) {
    parts.version = Version::HTTP_11;
    let headers = &mut parts.headers;
    let (mut connection, mut coding, mut upgrade) = (false, false, false);
    let mut doomed: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        match Kind::of(name.as_str()) {
            Kind::Connection => connection = true,
            Kind::TransferEncoding => coding = true,
            Kind::Upgrade => upgrade = true,
            Kind::Internal if from_gate && name == wire::REASON => {}
            Kind::HopByHop | Kind::Internal | Kind::Te => doomed.push(name.clone()),
            _ => {}
        }
    }
    let switches = parts.status == StatusCode::SWITCHING_PROTOCOLS && upgrade;
    if connection {
        remove_connection(headers, switches);
    }
    for name in doomed {
        headers.remove(name);
    }
    if coding {
        // A length beside it is not that of the body (RFC 9112, 6.3).
        headers.remove(TRANSFER_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
    if switches {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else if upgrade {
        headers.remove(UPGRADE);
    }
}

fn remove_connection(headers: &mut HeaderMap, switches: bool) {
    let protocol = switches.then(|| headers.get(UPGRADE).cloned()).flatten();
    // An application that names a hundred headers gets rid of `Connection` alone.
    let _ = remove_named(headers);
    headers.remove(CONNECTION);
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
    }
}
