//! [`Mutex`].

use std::{future::Future, panic::Location, time::Duration};

use metaparticle_protocol::{Name, lock::Kind};

use super::{Error, Guard, wish::Wish};
use crate::{Coordinator, error::label};

/// A lock that one holds at a time, in the order in which it was asked for. Clones are the same one, and so are all
/// mutexes of that name in the namespace.
///
/// Guarantees, assumptions and errors: see [the module](super).
///
/// # Examples
/// ```no_run
/// # async fn run(coordinator: metaparticle_coordination::Coordinator) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let mutex = coordinator.mutex("migrations");
/// let guard = mutex.lock().await?;
/// guard.unlock().await?;
///
/// if let Some(guard) = mutex.try_lock().await? {
///     guard.unlock().await?;
/// }
/// match mutex.lock_within(Duration::from_secs(5)).await? {
///     Some(guard) => guard.unlock().await?,
///     None => println!("somebody else migrates"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Mutex {
    coordinator: Coordinator,
    name: Result<Name, Error>,
}

impl Coordinator {
    /// The mutex of this name: a DNS label, which is checked when it is used.
    #[must_use]
    pub fn mutex(&self, name: &str) -> Mutex {
        Mutex {
            coordinator: self.clone(),
            name: label(name, "a lock"),
        }
    }
}

impl Mutex {
    #[track_caller]
    fn wish(&self) -> Wish {
        Wish {
            coordinator: self.coordinator.clone(),
            name: self.name.clone(),
            kind: Ok(Kind::Mutex),
            place: Location::caller(),
        }
    }

    /// Queues, and holds once all before it have let go. As long as the API server is away, it waits.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Refused`], [`Error::Misuse`] if the name is used for another kind of lock,
    /// [`Error::Shutdown`].
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, it leaves the queue.
    #[track_caller]
    pub fn lock(&self) -> impl Future<Output = Result<Guard, Error>> + Send + use<> {
        let wish = self.wish();
        async move { Ok(Guard::new(wish.wait().await?)) }
    }

    /// Holds if nobody does or waits. It asks the API server, and waits for its answer: as long as that is away, for ever.
    /// `None` also while another that tried at the same time is on its way out.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    ///
    /// # Cancel safety
    /// Cancel safe.
    #[track_caller]
    pub fn try_lock(&self) -> impl Future<Output = Result<Option<Guard>, Error>> + Send + use<> {
        let wish = self.wish();
        async move { Ok(wish.once().await?.map(Guard::new)) }
    }

    /// As [`lock`](Self::lock), and `None` when `time` is over.
    ///
    /// # Errors
    /// As [`lock`](Self::lock), and [`Error::Misuse`] if `time` is zero.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, it leaves the queue.
    #[track_caller]
    pub fn lock_within(
        &self,
        time: Duration,
    ) -> impl Future<Output = Result<Option<Guard>, Error>> + Send + use<> {
        let wish = self.wish();
        async move { Ok(wish.within(time).await?.map(Guard::new)) }
    }
}
