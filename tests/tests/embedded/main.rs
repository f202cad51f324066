//! The deployer on the embedded cluster: what of the suites for a real one needs neither image nor registry, and
//! programs that deploy themselves with nothing installed.

// The same file runs on a real API server, too; only the harness differs.
#[path = "../../e2e/apply.rs"]
mod apply;
mod batch;
mod ends;
mod failures;
mod harness;
mod sharded;
mod up;
mod web;
