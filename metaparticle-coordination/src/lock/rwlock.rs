//! [`RwLock`].

use std::{future::Future, panic::Location, time::Duration};

use metaparticle_protocol::{Name, lock::Kind};

use super::{Error, Guard, Share, wish::Wish};
use crate::{Coordinator, error::label};

/// A lock that many readers hold at a time, or one writer. First come, first served: a reader waits for a writer that
/// waits before it, so that no writer waits for ever.
///
/// Guarantees, assumptions and errors: see [the module](super).
///
/// # Examples
/// ```no_run
/// # async fn run(coordinator: metaparticle_coordination::Coordinator) -> Result<(), Box<dyn std::error::Error>> {
/// let rwlock = coordinator.rwlock("cfg");
/// let share = rwlock.read().await?;
/// share.unlock().await?;
/// let guard = rwlock.write().await?;
/// guard.unlock().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RwLock {
    coordinator: Coordinator,
    name: Result<Name, Error>,
}

impl Coordinator {
    /// The read-write lock of this name: a DNS label, which is checked when it is used.
    #[must_use]
    pub fn rwlock(&self, name: &str) -> RwLock {
        RwLock {
            coordinator: self.clone(),
            name: label(name, "a lock"),
        }
    }
}

impl RwLock {
    #[track_caller]
    fn wish(&self, kind: Kind) -> Wish {
        Wish {
            coordinator: self.coordinator.clone(),
            name: self.name.clone(),
            kind: Ok(kind),
            place: Location::caller(),
        }
    }

    /// Queues, and holds beside other readers once all writers before it have let go.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Refused`], [`Error::Misuse`] if the name is used for another kind of lock,
    /// [`Error::Shutdown`].
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, it leaves the queue.
    #[track_caller]
    pub fn read(&self) -> impl Future<Output = Result<Share, Error>> + Send + use<> {
        let wish = self.wish(Kind::Reader);
        async move { Ok(Share::new(wish.wait().await?)) }
    }

    /// Queues, and holds alone once all before it have let go.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, it leaves the queue.
    #[track_caller]
    pub fn write(&self) -> impl Future<Output = Result<Guard, Error>> + Send + use<> {
        let wish = self.wish(Kind::Writer);
        async move { Ok(Guard::new(wish.wait().await?)) }
    }

    /// Holds as a reader, if no writer holds or waits. It waits for the answer of the API server.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Cancel safe.
    #[track_caller]
    pub fn try_read(&self) -> impl Future<Output = Result<Option<Share>, Error>> + Send + use<> {
        let wish = self.wish(Kind::Reader);
        async move { Ok(wish.once().await?.map(Share::new)) }
    }

    /// Holds as the writer, if nobody holds or waits. It waits for the answer of the API server.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Cancel safe.
    #[track_caller]
    pub fn try_write(&self) -> impl Future<Output = Result<Option<Guard>, Error>> + Send + use<> {
        let wish = self.wish(Kind::Writer);
        async move { Ok(wish.once().await?.map(Guard::new)) }
    }

    /// As [`read`](Self::read), and `None` when `time` is over.
    ///
    /// # Errors
    /// As [`read`](Self::read), and [`Error::Misuse`] if `time` is zero.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, it leaves the queue.
    #[track_caller]
    pub fn read_within(
        &self,
        time: Duration,
    ) -> impl Future<Output = Result<Option<Share>, Error>> + Send + use<> {
        let wish = self.wish(Kind::Reader);
        async move { Ok(wish.within(time).await?.map(Share::new)) }
    }

    /// As [`write`](Self::write), and `None` when `time` is over.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`Error::Misuse`] if `time` is zero.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, it leaves the queue.
    #[track_caller]
    pub fn write_within(
        &self,
        time: Duration,
    ) -> impl Future<Output = Result<Option<Guard>, Error>> + Send + use<> {
        let wish = self.wish(Kind::Writer);
        async move { Ok(wish.within(time).await?.map(Guard::new)) }
    }
}
