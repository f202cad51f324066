//! [`RegistryError`]: what can go wrong between here and a registry, and what to do about it.

use std::error::Error as _;

use super::super::{
    credentials::CredentialError,
    digest::Digest,
    reference::{Host, Location},
};

/// Why a registry did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// It cannot be reached, or the connection broke.
    #[error("the registry {host} cannot be reached while {action}")]
    Unreachable {
        /// The registry.
        host: Host,
        /// What was being done.
        action: Action,
        /// Why.
        source: reqwest::Error,
    },
    /// It asks who this is, and does not take the answer.
    #[error("the registry {} refuses access to {} while {action}: {message}", location.host, location.repository)]
    Unauthorized {
        /// Registry and repository.
        location: Location,
        /// What was being done.
        action: Action,
        /// Whether credentials were sent.
        identified: bool,
        /// What the registry says.
        message: String,
    },
    /// It answered with a status that means failure.
    #[error("the registry {} answered {status} while {action} in {}: {message}", location.host, location.repository)]
    Status {
        /// Registry and repository.
        location: Location,
        /// What was being done.
        action: Action,
        /// The HTTP status.
        status: u16,
        /// What the registry says.
        message: String,
    },
    /// It answered something that the specification of registries does not allow.
    #[error("the registry {host} does not keep to the protocol while {action}: {what}")]
    Protocol {
        /// The registry.
        host: Host,
        /// What was being done.
        action: Action,
        /// What is wrong.
        what: String,
    },
    /// Content is not what its digest says.
    #[error("the registry {host} sent content of digest {actual} for {expected}")]
    Corrupt {
        /// The registry.
        host: Host,
        /// What was asked for.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// Credentials cannot be had.
    #[error("no credentials for the registry {host} can be read")]
    Credentials {
        /// The registry.
        host: Host,
        /// Why.
        source: CredentialError,
    },
    /// The token server that the registry names would get credentials in the clear.
    #[error(
        "the registry {host} sends clients to `{realm}`, which would get credentials without TLS"
    )]
    InsecureRealm {
        /// The registry.
        host: Host,
        /// The token server.
        realm: String,
    },
    /// No client can be made, for example because the system's certificates cannot be read.
    #[error("no HTTPS client can be set up")]
    Client(#[source] reqwest::Error),
}

/// What is done at a registry: the second half of "… while …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Asking for a manifest, or whether it is there.
    ReadManifest,
    /// Asking for a blob, or whether it is there.
    ReadBlob,
    /// Sending a blob.
    PushBlob,
    /// Sending a manifest.
    PushManifest,
    /// Asking for a token.
    Authorize,
}

impl RegistryError {
    /// Whether the same request may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            // A certificate does not become valid by asking again; what does not listen on this machine is not there.
            Self::Unreachable { source, host, .. } => {
                let absent = source.is_connect() && host.is_loopback();
                !absent && !is_tls(source)
            }
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { host, source, .. } if is_tls(source) => format!(
                "{host} is spoken to over TLS, as every registry that is not on this machine; its certificate must be \
                 trusted by the system (or by SSL_CERT_FILE)"
            ),
            Self::Unreachable { host, .. } if host.is_loopback() => {
                format!("is a registry running at {}?", host.url())
            }
            Self::Unreachable { .. } => {
                "check the name of the registry and the network; a proxy is taken from HTTPS_PROXY"
                    .to_owned()
            }
            Self::Unauthorized {
                location,
                identified: false,
                ..
            } => format!(
                "log in with `docker login {0}` or `podman login {0}`, or set DOCKER_CONFIG or REGISTRY_AUTH_FILE",
                location.host
            ),
            Self::Unauthorized { location, .. } => format!(
                "the stored credentials may not push to {}; log in as another user with `docker login {}`, or choose \
                 another repository",
                location.repository, location.host
            ),
            Self::Status {
                status: 404,
                action: Action::PushBlob | Action::PushManifest,
                location,
                ..
            } => format!(
                "some registries need the repository to be created first: {}",
                location.repository
            ),
            _ => return None,
        })
    }
}

/// Whether a connection failed because of its certificate.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An I/O error hides its inner error from `source`.
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if inner
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            .is_some()
        {
            return true;
        }
        cause = error.source();
    }
    false
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ReadManifest => "reading a manifest",
            Self::ReadBlob => "reading a blob",
            Self::PushBlob => "pushing a blob",
            Self::PushManifest => "pushing a manifest",
            Self::Authorize => "asking for a token",
        })
    }
}
