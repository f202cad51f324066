//! [`Wish`]: one wait for a lock, which ends well when it is dropped.

use std::{panic::Location, sync::Arc, time::Duration};

use metaparticle_protocol::{
    Name, Token,
    lock::{Guard as Id, Kind},
};

use crate::{
    coordinator::Coordinator,
    error::Error,
    session::{Outcome, Session},
    word::Held,
};

/// What is asked for, and by whom.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) coordinator: Coordinator,
    /// A name that is none is said when it is used.
    pub(super) name: Result<Name, Error>,
    pub(super) kind: Result<Kind, Error>,
    pub(super) place: &'static Location<'static>,
}

/// A hold, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    /// Keeps the task alive that renews.
    _coordinator: Coordinator,
    session: Arc<Session>,
    id: Id,
    pub(super) name: Name,
    pub(super) held: Held,
    pub(super) token: Option<Token>,
}

/// Until the hold is handed over: dropped, it leaves the queue.
struct Waiting {
    session: Arc<Session>,
    id: Id,
    over: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.over {
            self.session.release(self.id);
        }
    }
}

impl Wish {
    /// Waits for it.
    pub(super) async fn wait(self) -> Result<Hold, Error> {
        match self.ask(false).await? {
            Some(hold) => Ok(hold),
            None => unreachable!("only those who try once are told that it is taken"),
        }
    }

    /// Waits so long.
    pub(super) async fn within(self, time: Duration) -> Result<Option<Hold>, Error> {
        if time.is_zero() {
            let text = "no time to wait in: to have a lock at once or not at all, try it";
            return Err(Error::Misuse(text.into()));
        }
        match tokio::time::timeout(time, self.wait()).await {
            Ok(held) => held.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Waits for the API server only.
    pub(super) async fn once(self) -> Result<Option<Hold>, Error> {
        self.ask(true).await
    }

    async fn ask(self, once: bool) -> Result<Option<Hold>, Error> {
        let (name, kind) = (self.name?, self.kind?);
        let session = self.coordinator.carrier()?;
        let (id, told) = session.ask(&name, kind, once, self.place)?;
        let mut waiting = Waiting {
            session,
            id,
            over: false,
        };
        // Dropped unsaid: the task has ended.
        let outcome = told.await.unwrap_or(Outcome::Failed(Error::Shutdown));
        match outcome {
            Outcome::Held(held, token) => {
                waiting.over = true;
                Ok(Some(Hold {
                    _coordinator: self.coordinator,
                    session: Arc::clone(&waiting.session),
                    id,
                    name,
                    held,
                    token,
                }))
            }
            Outcome::Taken => Ok(None),
            Outcome::Failed(error) => Err(error),
        }
    }
}

impl Hold {
    /// Gives it back and waits until others may hold.
    pub(super) async fn unlock(self) -> Result<(), Error> {
        self.held.check().map_err(|source| Error::Lost {
            of: self.name.clone(),
            source,
        })?;
        if let Some(released) = self.session.release(self.id) {
            // Dropped unsaid: the session has ended, and the hold with it.
            return released.await.unwrap_or(Ok(()));
        }
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // For whoever looks at it from elsewhere it ends now, whatever becomes of the task.
        self.held.close(crate::lost::Lost::Released);
        self.session.release(self.id);
    }
}
