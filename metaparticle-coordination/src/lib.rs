//! Elections and locks over the Kubernetes API: the driver of `metaparticle-protocol`.
