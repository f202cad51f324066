//! Locks over the API of Kubernetes: [`Mutex`], [`RwLock`], [`Semaphore`]. First come, first served; carried by one
//! [session](crate::session) a process, so that a thousand cost what one costs.
//!
//! # Guarantees
//! - **Exclusion.** No two guards of a mutex are valid at the same time, nor a writer's with any other of its lock, nor
//!   more than the limit of a semaphore: not under pauses, partitions, lost answers, restarts of the API server, nor
//!   clocks that are set. A guard knows by itself, from its own clock, when it is not valid any more.
//! - **Order.** Who queues first holds first; within a process, in the order of the calls. The order is fixed once.
//! - **A dead process gives back** what it held one duration of its session after its last renewal (15 s by default).
//! - **Tokens.** Each hold of a mutex and each writer has a [fencing token](Guard::fence), higher than those before it.
//! - A lock and its unlock are one POST and one DELETE; waiting costs no requests.
//!
//! # Assumptions
//! - The clock of a process never stops while it runs, and runs between 0.9 and 1.1 of real time. A virtual machine that
//!   is paused or restored together with its clocks breaks exclusion until its next look at the API server; fenced writes
//!   are refused all the same.
//! - Nobody edits or deletes tickets and sessions by hand (`kubectl delete lease`). If somebody does, the holder knows when
//!   it sees the deletion, or at its next renewal; until then two may hold. Fenced writes of the old holder are refused.
//! - One namespace is one trust domain: whoever may create Leases in it may take and break its locks.
//! - A check is about now. Between [`Guard::check`] and what follows it, a process can stand still: what must never happen
//!   twice is written through the [fence](Guard::fence).
//!
//! # Errors
//! Everything returns [`Error`]: a name that is no DNS label, a refusal by the API server (no permission, no such
//! namespace, a quota), two kinds or limits for one name, the end of the coordinator. What passes (an API server that is
//! away, throttles or forgets) is waited for and never an error.
//!
//! # Cancel safety
//! All futures here can be dropped at any point. A dropped wish leaves the queue; a lock that was granted in the same
//! moment is given back. Nothing remains but for the time that its DELETE takes.

mod guard;
mod mutex;
mod rwlock;
mod semaphore;
#[cfg(test)]
mod tests;
mod wish;

pub use self::{
    guard::{Guard, Share},
    mutex::Mutex,
    rwlock::RwLock,
    semaphore::Semaphore,
};
#[doc(inline)]
pub use crate::{error::Error, lost::Lost, word::Permit};
