//! Elections, a Lease each (rules E1 to E7).
//!
//! [`Elector`] is one candidate. Its record is what client-go's is, with annotations of ours that client-go keeps and does
//! not read: who holds which token, whether an empty holder is a release of ours, who may act first when the leader is
//! gone. They count only if they agree with the record.

mod candidacy;
mod elector;
mod following;
pub mod io;
mod leading;
mod marks;
mod observed;
mod peers;
mod term;

pub use elector::Elector;
pub use io::{Action, Config, Ended, Input, Role, TermId, View, candidate_labels};
