//! [`Semaphore`].

use std::{future::Future, num::NonZeroU32, panic::Location, time::Duration};

use metaparticle_protocol::{Name, lock::Kind};

use super::{Error, Share, wish::Wish};
use crate::{Coordinator, error::label};

/// A lock that so many hold at a time, in the order in which it was asked for. All who use its name give the same limit.
///
/// Guarantees, assumptions and errors: see [the module](super).
///
/// # Examples
/// ```no_run
/// # async fn run(coordinator: metaparticle_coordination::Coordinator) -> Result<(), Box<dyn std::error::Error>> {
/// let share = coordinator.semaphore("gpu", 4).acquire().await?;
/// share.check()?;
/// share.unlock().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Semaphore {
    coordinator: Coordinator,
    name: Result<Name, Error>,
    kind: Result<Kind, Error>,
}

impl Coordinator {
    /// The semaphore of this name, a DNS label, that lets in `limit` at a time, at least one: checked when it is used.
    #[must_use]
    pub fn semaphore(&self, name: &str, limit: u32) -> Semaphore {
        let none = || Error::Misuse(format!("semaphore `{name}` lets in nobody").into());
        Semaphore {
            coordinator: self.clone(),
            name: label(name, "a lock"),
            kind: NonZeroU32::new(limit).map(Kind::Semaphore).ok_or_else(none),
        }
    }
}

impl Semaphore {
    #[track_caller]
    fn wish(&self) -> Wish {
        Wish {
            coordinator: self.coordinator.clone(),
            name: self.name.clone(),
            kind: self.kind.clone(),
            place: Location::caller(),
        }
    }

    /// Queues, and holds once fewer than the limit of those before it have not let go. As long as the API server is away,
    /// it waits.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Refused`], [`Error::Misuse`] if the name is used with another limit or for another kind
    /// of lock, [`Error::Shutdown`].
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, it leaves the queue.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<Share, Error>> + Send + use<> {
        let wish = self.wish();
        async move { Ok(Share::new(wish.wait().await?)) }
    }

    /// Holds if fewer than the limit do or wait. It waits for the answer of the API server.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// Cancel safe.
    #[track_caller]
    pub fn try_acquire(&self) -> impl Future<Output = Result<Option<Share>, Error>> + Send + use<> {
        let wish = self.wish();
        async move { Ok(wish.once().await?.map(Share::new)) }
    }

    /// As [`acquire`](Self::acquire), and `None` when `time` is over.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire), and [`Error::Misuse`] if `time` is zero.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, it leaves the queue.
    #[track_caller]
    pub fn acquire_within(
        &self,
        time: Duration,
    ) -> impl Future<Output = Result<Option<Share>, Error>> + Send + use<> {
        let wish = self.wish();
        async move { Ok(wish.within(time).await?.map(Share::new)) }
    }
}
