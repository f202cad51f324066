//! [`enum@Error`]: what goes wrong when a coordinator, an election or a lock is asked for something.

use std::sync::Arc;

use metaparticle_protocol::{Name, budget::InvalidLease};

use crate::{lost::Lost, refusal::Refusal};

/// A request of this library that cannot be fulfilled.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No name for an election, a lock or a namespace.
    #[error(
        "`{name}` is no name of {of}: that is 1 to 63 lower-case letters, digits and `-`, beginning and ending with a letter \
         or digit"
    )]
    Name {
        /// What was given.
        name: Arc<str>,
        /// What it was to name.
        of: &'static str,
    },
    /// No duration for a lease.
    #[error("the lease of {of} cannot be that long: {source}")]
    Lease {
        /// Which.
        of: Name,
        /// What is wrong with it.
        source: InvalidLease,
    },
    /// The API server said no, and asking again changes nothing.
    #[error("{0}")]
    Refused(Arc<str>),
    /// What was held is not held any more.
    #[error("`{of}` is lost: {source}")]
    Lost {
        /// Which election or lock.
        of: Name,
        /// Why.
        source: Lost,
    },
    /// A guard or a permit is not valid any more: what `?` makes of [`Lost`] in work that only goes on while it is held.
    #[error(transparent)]
    Guard(#[from] Lost),
    /// The coordinator was shut down.
    #[error("coordination was shut down")]
    Shutdown,
    /// Called outside of a Tokio runtime.
    #[error("there is no Tokio runtime here, which coordination needs to renew what is held")]
    NoRuntime,
    /// The program runs in no cluster, and none is named.
    #[error(
        "this process runs in no cluster ({why}); start it with `cargo run`, or name a cluster in the variable KUBECONFIG"
    )]
    NoCluster {
        /// What is missing.
        why: Arc<str>,
    },
    /// There is a configuration, but it makes no connection.
    #[error("the configuration of the cluster makes no connection: {why}")]
    Config {
        /// What is wrong.
        why: Arc<str>,
    },
    /// A rule about how a primitive is used was broken.
    #[error("{0}")]
    Misuse(Arc<str>),
}

impl Error {
    /// Whether the same call may work later: what was held is lost, and can be asked for anew.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Guard(_))
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.to_string().into())
    }
}

/// A DNS label: what names elections, locks and namespaces, and fits into a label and the key of an annotation.
pub(crate) fn label(name: &str, of: &'static str) -> Result<Name, Error> {
    let end = |byte: Option<u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let valid = name.len() <= 63
        && end(name.bytes().next())
        && end(name.bytes().last())
        && name
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if valid {
        Ok(Name::from(name))
    } else {
        Err(Error::Name {
            name: name.into(),
            of,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        let longest = "a".repeat(63);
        for name in ["a", "0", "a-b", "billing-2", &longest] {
            assert!(label(name, "a lock").is_ok(), "{name}");
        }
        let longer = "a".repeat(64);
        for name in [
            "", "-", "-a", "a-", "A", "a.b", "a_b", "a/b", "ä", " a", &longer,
        ] {
            let error = label(name, "a lock").unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{name}` is no name of a lock")),
                "{error}"
            );
        }
    }
}
