//! [`Whoami`]: who this process is, in this start of it.

use std::env;

use metaparticle_protocol::Identity;

use crate::random;

/// Name and uid of the pod, and a word drawn anew by each coordinator (E1): no two processes, nor two starts of one, are
/// ever the same.
#[derive(Clone, Debug)]
pub(crate) struct Whoami {
    /// Name of the pod, or of the host.
    pub(crate) pod: String,
    /// `metadata.uid` of the pod, where the manifests say it.
    pub(crate) uid: Option<String>,
    /// The word.
    pub(crate) drawn: String,
}

impl Whoami {
    /// By the variables of the generated manifests, else by the host's name.
    pub(crate) fn of_environment() -> Self {
        Self::new(
            said("METAPARTICLE_POD_NAME").unwrap_or_else(host),
            said("METAPARTICLE_POD_UID"),
        )
    }

    pub(crate) fn new(pod: String, uid: Option<String>) -> Self {
        Self {
            pod,
            uid,
            drawn: random::word(),
        }
    }

    /// What stands in `holderIdentity`.
    pub(crate) fn identity(&self) -> Identity {
        let Self { pod, uid, drawn } = self;
        Identity::from(match uid {
            Some(uid) => format!("{pod}_{uid}_{drawn}"),
            None => format!("{pod}_{drawn}"),
        })
    }
}

/// The namespace that the manifests say.
pub(crate) fn namespace() -> Option<String> {
    said("METAPARTICLE_POD_NAMESPACE")
}

fn said(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

/// A name for people to read; what tells processes apart is drawn.
fn host() -> String {
    said("HOSTNAME")
        .or_else(|| {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
            Some(name.trim().to_owned()).filter(|name| !name.is_empty())
        })
        .unwrap_or_else(|| format!("process-{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_starts_of_one_pod_are_two() {
        let whoami = || Whoami::new("web-1".to_owned(), Some("0b1c".to_owned()));
        let (first, second) = (whoami().identity(), whoami().identity());
        assert_ne!(first, second);
        assert!(first.as_str().starts_with("web-1_0b1c_"), "{first}");
    }
}
