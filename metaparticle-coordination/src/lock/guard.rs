//! [`Guard`] and [`Share`]: what holding a lock is.

use std::{fmt, future::Future, time::Duration};

use metaparticle_protocol::Name;

use super::wish::Hold;
use crate::{error::Error, fence::Fence, lost::Lost, word::Permit};

/// Alone: of a [`Mutex`](super::Mutex), or as the writer of an [`RwLock`](super::RwLock).
///
/// Dropped, it is invalid at once, and given back in the background: also outside of a runtime and during a panic. Where
/// no runtime is left to do it, it expires with the session.
///
/// # Examples
/// ```no_run
/// # async fn run(coordinator: metaparticle_coordination::Coordinator) -> Result<(), Box<dyn std::error::Error>> {
/// let guard = coordinator.mutex("migrations").lock().await?;
/// guard.check()?;                                     // before each step that must not happen twice
/// let done = guard.guarded(async { 42 }).await?;      // dropped at its deadline, if the lock is lost
/// guard.unlock().await?;                              // others may hold from here on
/// # let _ = done;
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it gives the lock back"]
pub struct Guard {
    hold: Hold,
    fence: Fence,
}

/// Beside others: of a [`Semaphore`](super::Semaphore), or as a reader of an [`RwLock`](super::RwLock). It has no fencing
/// token: those who hold beside each other have no order that a later write could be judged by.
///
/// Dropped, it is invalid at once, and given back in the background.
#[must_use = "dropping it gives the lock back"]
pub struct Share {
    hold: Hold,
}

impl Guard {
    pub(super) fn new(hold: Hold) -> Self {
        let token = hold
            .token
            .expect("who holds alone has a token, by the protocol");
        let kind = metaparticle_protocol::fence::Kind::Lock;
        let fence = Fence::new(kind, hold.name.clone(), token, hold.held.clone());
        Self { hold, fence }
    }

    /// The fencing token, and clients that write under it.
    #[must_use]
    pub const fn fence(&self) -> &Fence {
        &self.fence
    }
}

impl Share {
    pub(super) const fn new(hold: Hold) -> Self {
        Self { hold }
    }
}

macro_rules! guard {
    ($guard:ident) => {
        impl $guard {
            /// The name of the lock.
            #[must_use]
            pub const fn name(&self) -> &Name {
                &self.hold.name
            }

            /// Whether it is held now: two looks at the clock, no request.
            ///
            /// # Errors
            /// [`Lost`], with the reason, for ever after.
            pub fn check(&self) -> Result<(), Lost> {
                self.hold.held.check()
            }

            /// How long it is valid without another renewal; zero once it is lost.
            #[must_use]
            pub fn remaining(&self) -> Duration {
                self.hold.held.remaining()
            }

            /// Waits until it is lost.
            ///
            /// # Cancel safety
            /// Cancel safe.
            pub async fn lost(&self) -> Lost {
                self.hold.held.lost().await
            }

            /// Runs `work` while the lock is held, and drops it as soon as it is not.
            ///
            /// # Errors
            /// [`Lost`]: `work` did not end while the lock was held.
            ///
            /// # Cancel safety
            /// As cancel safe as `work`.
            pub async fn guarded<T>(&self, work: impl Future<Output = T>) -> Result<T, Lost> {
                self.hold.held.guarded(work).await
            }

            /// A share for work elsewhere, in a task of its own: the lock is not given to others before all of them are
            /// dropped, whatever becomes of the guard, and at the latest when the session expires.
            ///
            /// # Errors
            /// [`Lost`], if it is not held.
            pub fn permit(&self) -> Result<Permit, Lost> {
                self.hold.held.permit()
            }

            /// Gives it back: invalid at once, waits for its permits, and returns when others may hold. If the API server
            /// is away, that is when the session has expired.
            ///
            /// # Errors
            /// [`Error::Lost`], if it was not held any more: what was done last under it may have been done beside
            /// somebody else. [`Error::Refused`], if this process may not delete its ticket: it goes with the session.
            ///
            /// # Cancel safety
            /// Cancel safe: once called, it is given back in the background.
            pub fn unlock(self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
                self.hold.unlock()
            }
        }

        impl fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($guard))
                    .field("lock", &self.hold.name)
                    .field("token", &self.hold.token)
                    .field("valid", &self.check().is_ok())
                    .finish()
            }
        }
    };
}

guard!(Guard);
guard!(Share);
