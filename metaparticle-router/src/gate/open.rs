//! How a connection begins: with a hello, with HTTP/2's preface, or with a request of HTTP/1.1.

use std::io::{Error, ErrorKind};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{
    Ownership,
    pool::hello::{self, HelloError, MAGIC},
};

/// What HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection is.
#[derive(Debug)]
pub(super) struct Opened {
    /// What was read of HTTP.
    pub(super) first: Bytes,
    pub(super) http2: bool,
    /// Another gate said hello.
    pub(super) gate: bool,
}

/// Reads until it is known what the connection is.
///
/// # Errors
/// If it ends before, or its hello is not one.
///
/// # Cancel safety
/// Not cancel safe: what was read is lost.
pub(super) async fn open<O: Ownership>(
    stream: &mut TcpStream,
    ownership: &O,
) -> Result<Opened, HelloError> {
    let mut first = BytesMut::new();
    let gate = begins_with(stream, &mut first, MAGIC).await?;
    if gate {
        first.clear();
        let (key, session) = (ownership.key(), ownership.session());
        hello::answer(stream, key.as_deref(), session.as_ref()).await?;
    }
    let http2 = begins_with(stream, &mut first, PREFACE).await?;
    Ok(Opened {
        first: first.freeze(),
        http2,
        gate,
    })
}

/// Whether what comes is `wanted`; not a byte more is read.
async fn begins_with(
    stream: &mut TcpStream,
    first: &mut BytesMut,
    wanted: &[u8],
) -> Result<bool, Error> {
    while wanted.starts_with(first) {
        let missing = wanted.len() - first.len();
        if missing == 0 {
            return Ok(true);
        }
        if stream.read_buf(&mut first.limit(missing)).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(false)
}
