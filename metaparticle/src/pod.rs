//! [`pod`]: which pod the program runs in.

use std::env;

/// The pod that the program runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pod {
    /// Name of the pod; unique in its namespace, and new with every pod.
    pub name: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// `metadata.uid` of the pod; `None` if its manifests were generated before they said it.
    pub uid: Option<String>,
}

/// The pod that the program runs in; `None` outside of a cluster.
///
/// The generated manifests hand it to the program in `METAPARTICLE_POD_NAME`, `METAPARTICLE_POD_NAMESPACE` and
/// `METAPARTICLE_POD_UID`; nothing else is asked or guessed.
///
/// # Examples
/// ```
/// let who = metaparticle::pod().map_or("nobody's pod".to_owned(), |pod| pod.name);
/// println!("hello from {who}");
/// ```
#[must_use]
pub fn pod() -> Option<Pod> {
    Some(Pod {
        name: env::var("METAPARTICLE_POD_NAME").ok()?,
        namespace: env::var("METAPARTICLE_POD_NAMESPACE").ok()?,
        uid: env::var("METAPARTICLE_POD_UID").ok(),
    })
}
