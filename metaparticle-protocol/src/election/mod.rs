//! Elections, a Lease each (rules E1 to E7).

pub mod io;

pub use io::{Action, Config, Ended, Input, Role, TermId, View, Watched, candidate_labels};
