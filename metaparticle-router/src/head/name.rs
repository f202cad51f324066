//! [`Kind`]: what is to be done with a header of that name.

/// What is to be done with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    EndToEnd,
    Connection,
    /// Ends at each hop.
    HopByHop,
    TransferEncoding,
    ContentLength,
    Te,
    Upgrade,
    Host,
    Expect,
    Cookie,
    ForwardedFor,
    /// `X-Forwarded-Proto` and `-Host`.
    ForwardedAs,
    Forwarded,
    /// `x-metaparticle-…`.
    Internal,
    /// One of ours with `_` for `-`, which CGI and its heirs take for the same.
    Disguised,
}

/// How many headers of each kind there are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts([usize; Kind::Disguised as usize + 1]);

impl Counts {
    pub(super) fn add(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    pub(super) fn of(&self, kind: Kind) -> usize {
        self.0[kind as usize]
    }

    pub(super) fn any(&self, kind: Kind) -> bool {
        self.of(kind) > 0
    }
}

impl Kind {
    /// Of a name in lower case.
    pub(super) fn of(name: &str) -> Self {
        match (name.len(), name) {
            (2, "te") => Self::Te,
            (4, "host") => Self::Host,
            (6, "cookie") => Self::Cookie,
            (6, "expect") => Self::Expect,
            (7, "upgrade") => Self::Upgrade,
            (9, "forwarded") => Self::Forwarded,
            (10, "connection") => Self::Connection,
            (14, "content-length") => Self::ContentLength,
            (17, "transfer-encoding") => Self::TransferEncoding,
            (10, "keep-alive")
            | (16, "proxy-connection")
            | (18, "proxy-authenticate")
            | (19, "proxy-authorization") => Self::HopByHop,
            (15.., _) if name.starts_with("x-") || name.starts_with("x_") => Self::ours(name),
            _ => Self::EndToEnd,
        }
    }

    fn ours(name: &str) -> Self {
        let (kind, len) = if is_written(name, "x-metaparticle-") {
            (Self::Internal, "x-metaparticle-".len())
        } else if name.len() == 15 && is_written(name, "x-forwarded-for") {
            (Self::ForwardedFor, 15)
        } else if (name.len() == 16 && is_written(name, "x-forwarded-host"))
            || (name.len() == 17 && is_written(name, "x-forwarded-proto"))
        {
            (Self::ForwardedAs, name.len())
        } else {
            return Self::EndToEnd;
        };
        if name.as_bytes()[..len].contains(&b'_') {
            Self::Disguised
        } else {
            kind
        }
    }
}

/// Whether it begins so, with `_` for `-`.
fn is_written(name: &str, begin: &str) -> bool {
    name.bytes()
        .zip(begin.bytes())
        .all(|(byte, wanted)| byte == wanted || (byte == b'_' && wanted == b'-'))
}

/// Whether no request has that header here, because it is taken off when the request comes in.
pub(crate) fn is_stripped(name: &str) -> bool {
    match Kind::of(name) {
        Kind::Connection
        | Kind::HopByHop
        | Kind::TransferEncoding
        | Kind::Te
        | Kind::Upgrade
        | Kind::Expect
        | Kind::Forwarded
        | Kind::Internal
        | Kind::Disguised => true,
        Kind::EndToEnd
        | Kind::ContentLength
        | Kind::Host
        | Kind::Cookie
        | Kind::ForwardedFor
        | Kind::ForwardedAs => false,
    }
}
