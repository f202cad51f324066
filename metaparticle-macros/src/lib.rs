//! The attributes `#[containerize]`, `#[replicated]`, `#[sharded]` and `#[job]`; documented where `metaparticle` re-exports them.
