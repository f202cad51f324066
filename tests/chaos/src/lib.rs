//! Elections and locks under faults: real processes, each behind a proxy of its own, on a real API server that can be
//! stopped; what they say of themselves is one history, and the history is judged.
//!
//! A candidate is any program that says on its standard output, one line each, beginning with the nanoseconds of the
//! machine's `CLOCK_MONOTONIC`, what it believes ([`mod@line`]). The same faults and the same judge are for ours, for
//! client-go and for other crates: the judge is trusted because it finds their known failures.

pub mod api;
pub mod campaign;
pub mod candidate;
pub mod clock;
pub mod faults;
pub mod figures;
pub mod history;
pub mod judge;
pub mod line;
pub mod linear;
pub mod locks;
pub mod ours;
pub mod plan;
pub mod program;
pub mod proxy;
pub mod random;
pub mod register;
pub mod report;
pub mod run;
pub mod server;
pub mod upstream;
pub mod vdso;
