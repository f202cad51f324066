//! [`Term`]: leadership, from its acquisition until it is lost or given back.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use metaparticle_protocol::{
    Moment, Token,
    election::{Ended, Input},
    fence::Kind,
};
use tokio::sync::{oneshot, watch};

use super::{
    Handle,
    desk::{lock, lost},
    view,
};
use crate::{
    fence::Fence,
    lost::Lost,
    word::{Held, Permit},
};

/// A term of leadership.
///
/// # Guarantees
/// - While [`check`](Self::check) says `Ok`, no other candidate of this library, and no client-go candidate on the same
///   Lease, leads; it becomes invalid *before* another may begin, by this process's own clock, also when this process was
///   stopped, or hears nothing.
/// - Invalid is final. Another term, also of the same process, is another `Term` with a higher [`token`](Self::token).
/// - Nothing is released before this is dropped, and every [`Permit`] of it.
///
/// # Assumptions
/// The process's clock does not stop while it runs, and runs between 0.9 and 1.1 of real time: a virtual machine that is
/// paused together with its clocks, or restored from a snapshot, breaks this. Whoever edits or deletes the Lease by hand
/// ends the term only once this process sees it, at the latest when its lease ends. And `check` is about *now*: what is
/// sent to somewhere else arrives later. What must refuse a deposed leader needs the token: see [`fence`](Self::fence).
///
/// Dropped, it is invalid at once, inside and outside of a runtime, and handed over in the background when its permits are
/// gone. Outside of a runtime, or if that has ended, the lease expires.
#[must_use = "a term that is dropped is handed over"]
pub struct Term {
    handle: Arc<Handle>,
    held: Held,
    token: Token,
    /// Dropped with this, and so tells the desk.
    _dropped: oneshot::Sender<()>,
    /// Set when its owner gave it away, before it was lost.
    given: Arc<AtomicBool>,
    end: watch::Receiver<Option<Ended>>,
}

impl Term {
    pub(super) fn new(
        handle: Arc<Handle>,
        held: Held,
        token: Token,
        dropped: oneshot::Sender<()>,
        end: watch::Receiver<Option<Ended>>,
    ) -> Self {
        Self {
            handle,
            held,
            token,
            _dropped: dropped,
            given: Arc::default(),
            end,
        }
    }

    /// The fencing token: higher than that of every earlier term of this election, unless somebody deleted or edited its
    /// Lease meanwhile.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token.0
    }

    /// The name of the election.
    #[must_use]
    pub fn election(&self) -> &str {
        self.handle.name()
    }

    /// Whether this process still leads. Two clock reads and an atomic load; asks nobody.
    ///
    /// # Errors
    /// [`Lost`], for ever after.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(term: metaparticle_coordination::election::Term) -> Result<(), metaparticle_coordination::Lost> {
    /// loop {
    ///     term.check()?;
    ///     // … one small piece of work …
    /// # return Ok(());
    /// }
    /// # }
    /// ```
    pub fn check(&self) -> Result<(), Lost> {
        self.held.check()
    }

    /// How long it stays valid if no renewal succeeds from now on; zero if it is lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.held.remaining()
    }

    /// Waits until the term is lost or to be given back, and says why.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn lost(&self) -> Lost {
        self.held.lost().await
    }

    /// Runs `work` while the term is valid, and drops it as soon as it is not.
    ///
    /// # Errors
    /// [`Lost`], if the term was lost before `work` ended, also if only by a moment.
    ///
    /// # Cancel safety
    /// As cancel safe as `work`.
    pub async fn guarded<T>(&self, work: impl Future<Output = T>) -> Result<T, Lost> {
        self.held.guarded(work).await
    }

    /// A permit, for work that must not be cut off by a hand-over: the term is given away only when all of them are
    /// dropped, or never, if that takes longer than the election's [drain](super::Builder::drain).
    ///
    /// # Errors
    /// [`Lost`], if the term is lost already.
    pub fn permit(&self) -> Result<Permit, Lost> {
        self.held.permit()
    }

    /// What makes the API server refuse the writes of a holder that was deposed: see [`fence`](crate::fence).
    #[must_use]
    pub fn fence(&self) -> Fence {
        let name = self.handle.name.clone();
        Fence::new(Kind::Election, name, self.token, self.held.clone())
    }

    /// Gives the term away, to the best candidate that is there, and waits until the API server knows.
    ///
    /// Waits for permits. The same happens in the background when the term is dropped.
    ///
    /// # Errors
    /// [`Lost`], if it was lost before, or if the API server did not answer until the lease was over.
    ///
    /// # Cancel safety
    /// Once polled, the hand-over goes on in the background if this is dropped; before, it is as dropping the term.
    pub async fn step_down(self) -> Result<(), Lost> {
        self.give_back().await.map(drop)
    }

    /// Gives the term to the candidate in the pod of that name, and waits until the API server knows. The candidate leads
    /// after its own write; if it has not made it within a second, all candidates may.
    ///
    /// # Errors
    /// [`NotTransferred::Declined`] with the term, which goes on, if there is no such candidate, or none that was heard of in
    /// the last 150 seconds. [`NotTransferred::Lost`] if the term was lost meanwhile, or went to another.
    ///
    /// # Cancel safety
    /// Dropped, it is as if the term was: it is handed over, to that candidate if it was chosen already.
    pub async fn transfer_to(self, pod: &str) -> Result<(), NotTransferred> {
        let (answer, answered) = oneshot::channel();
        *lock(&self.handle.shared.transfer) = Some(answer);
        self.handle.shared.tell(Input::Stop {
            to: Some(pod.into()),
        });
        let begun = tokio::select! {
            biased;
            begun = answered => begun.unwrap_or(true),
            _ = self.lost() => true,
        };
        if begun {
            self.given.store(true, Ordering::Release);
        } else {
            return Err(NotTransferred::Declined {
                term: self,
                to: pod.into(),
            });
        }
        match self.give_back().await {
            Ok(Ended::Offered { to }) if to.as_str() == pod || view::pod(to.as_str()) == pod => {
                Ok(())
            }
            Ok(_) => Err(NotTransferred::Lost(Lost::Released)),
            Err(lost) => Err(NotTransferred::Lost(lost)),
        }
    }

    async fn give_back(self) -> Result<Ended, Lost> {
        let mut end = self.end.clone();
        drop(self);
        let ended = match end.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone(),
            Err(_) => None,
        };
        match ended {
            Some(ended @ (Ended::Offered { .. } | Ended::Released)) => Ok(ended),
            Some(other) => Err(lost(&other)),
            None => Err(Lost::Shutdown),
        }
    }

    /// When it ends, unless it is renewed; `None` if it has ended.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.held.deadline()
    }

    pub(crate) fn fencing(&self) -> Token {
        self.token
    }

    /// Whether its owner gave it away, rather than lost it.
    pub(super) fn given(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.given)
    }

    pub(super) fn held(&self) -> Held {
        self.held.clone()
    }

    pub(super) fn end(&self) -> watch::Receiver<Option<Ended>> {
        self.end.clone()
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        if self.check().is_ok() {
            self.given.store(true, Ordering::Release);
        }
        self.held.close(Lost::Released);
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Term")
            .field("election", &self.election())
            .field("token", &self.token())
            .field("valid", &self.check())
            .finish_non_exhaustive()
    }
}

/// Why a term did not go where it was to go.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotTransferred {
    /// Nobody of that name is a candidate; the term goes on.
    #[error(
        "`{to}` is no candidate that was heard of lately; a term goes to the name of a candidate's pod"
    )]
    Declined {
        /// The term.
        term: Term,
        /// Who was named.
        to: String,
    },
    /// The term is over.
    #[error("the term ended otherwise")]
    Lost(#[source] Lost),
}
