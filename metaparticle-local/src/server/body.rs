//! Bodies of requests: read whole, but not beyond the limit.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::api::failure::Failure;

/// The real server's limit.
const LIMIT: usize = 3 << 20;

/// Beyond it the rest is read and forgotten, so that a client that only reads when it has written gets its answer; but
/// not for ever.
const PATIENCE: u64 = 64 << 20;

/// How long a body may take to arrive: the real server's timeout for requests.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The body, if it is not too large and comes in time.
pub(super) async fn read(body: Incoming) -> Result<Bytes, Failure> {
    if let Ok(read) = timeout(TIMEOUT, read_all(body)).await {
        read
    } else {
        let message = "Timeout: request did not complete within the allotted timeout";
        Err(Failure::new(504, "Timeout", message))
    }
}

async fn read_all(mut body: Incoming) -> Result<Bytes, Failure> {
    let announced = body.size_hint().exact().unwrap_or_default();
    let limit = u64::try_from(LIMIT).unwrap_or(u64::MAX);
    if announced > PATIENCE {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::bad_request(error.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        size += u64::try_from(data.len()).unwrap_or(u64::MAX);
        if size > PATIENCE {
            return Err(too_large());
        }
        if size.max(announced) <= limit {
            bytes.extend_from_slice(&data);
        } else {
            bytes = BytesMut::new();
        }
    }
    if size > limit {
        return Err(too_large());
    }
    Ok(bytes.freeze())
}

fn too_large() -> Failure {
    Failure::too_large(format!("limit is {LIMIT}"))
}
