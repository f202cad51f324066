//! Leader election: of the processes that ask, one leads.
//!
//! Each election is one Lease. A candidate watches it, and takes it by compare-and-swap when its holder is gone; the leader
//! renews it every third of its duration, and has a [`Term`], a guard that becomes invalid by this process's own clock,
//! before anybody else may lead. A leader that stops hands over: it ends its work, and offers the Lease to the best
//! candidate, who leads some milliseconds later.
//!
//! The same Lease may have client-go's candidates: holder, duration, times and transitions are what they expect. A clean
//! release by client-go costs its duration (its release may empty a record that it no longer holds, so it proves nothing);
//! ours costs nothing, and is understood by it.
//!
//! # Examples
//! ```no_run
//! # async fn bill(term: &metaparticle_coordination::election::Term) -> Result<(), metaparticle_coordination::Error> { Ok(()) }
//! # async fn example() -> Result<(), metaparticle_coordination::Error> {
//! use metaparticle_coordination::{Coordinator, Error, election::Term};
//!
//! let mp = Coordinator::connect().await?;
//! let election = mp.election("billing").build()?;
//! election.run(async |term: Term| bill(&term).await).await?;
//! # Ok(())
//! # }
//! ```

mod desk;
mod run;
mod term;
#[cfg(test)]
mod tests;
mod view;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use metaparticle_protocol::{
    Name,
    election::{Config, Elector, Input},
};
use tokio::sync::watch;

use self::desk::{Desk, Shared};
#[doc(no_inline)]
pub use metaparticle_protocol::Budget;

pub use self::{
    term::{NotTransferred, Term},
    view::{Role, View},
};
use crate::{
    coordinator::Coordinator,
    drive::{drive, inbox},
    error::{Error, label},
    part::{Health, Kind},
    random,
};

/// The lease, if none is chosen. client-go's, too.
pub const LEASE: Duration = Duration::from_secs(15);

impl Coordinator {
    /// An election of that name: one Lease in the coordinator's namespace. [`build`](Builder::build) begins to watch it.
    pub fn election(&self, name: impl Into<String>) -> Builder {
        Builder {
            coordinator: self.clone(),
            name: name.into(),
            lease: LEASE,
            priority: 0,
            drain: self.drain(),
        }
    }
}

/// How this process takes part in an election.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `build`"]
pub struct Builder {
    coordinator: Coordinator,
    name: String,
    lease: Duration,
    priority: i32,
    drain: Duration,
}

impl Builder {
    /// For how long a leader that is not heard of keeps the others waiting: whole seconds, 2 to 3600, default 15. The
    /// longer, the longer the outage that costs no term, and the later the succession after a lost node;
    /// [`Election::budget`] tells the numbers.
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// The higher, the earlier it follows when a leader leaves or is gone. Default 0. It is a preference: who has a lower one
    /// leads if nobody else takes the turn, and is not deposed for who comes later.
    pub fn priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    /// For how long [permits](Term::permit) may delay a hand-over. Default: the coordinator's.
    pub fn drain(self, drain: Duration) -> Self {
        Self { drain, ..self }
    }

    /// Begins to watch. Asks for no term yet: that is [`Election::campaign`] and [`Election::run`].
    ///
    /// # Errors
    /// [`Error::Name`] and [`Error::Lease`], if it cannot be; [`Error::Shutdown`] after the coordinator's end.
    pub fn build(self) -> Result<Election, Error> {
        let name = label(&self.name, "an election")?;
        let budget = Budget::try_new(self.lease).map_err(|source| Error::Lease {
            of: name.clone(),
            source,
        })?;
        // One coordinator may have several of one name: they are different candidates (E1).
        let word = random::word();
        let identity = format!("{}{word}", self.coordinator.identity());
        let mut config = Config::new(name.clone(), identity.into(), budget);
        config.candidate = Some(format!("{name}-{word}").into());
        config.priority = self.priority;
        config.drain = self.drain;
        config.jitter = random::bits().to_le_bytes()[0];

        let (inbox, inputs) = inbox();
        let part = self
            .coordinator
            .part(Kind::Election, name.clone(), Some(name.clone()));
        let shared = Arc::new(Shared::new(inbox.clone(), part));
        let (shown, view) = watch::channel(View::BLIND);
        let handle = Arc::new(Handle {
            name,
            budget,
            view,
            shared: Arc::clone(&shared),
        });
        let desk = Desk {
            shared,
            handle: Arc::downgrade(&handle),
            coordinator: self.coordinator.clone(),
            view: shown,
            watches: HashMap::new(),
            term: None,
            begun: false,
            container: None,
            suspect: None,
        };
        let elector = Elector::new(config, metaparticle_protocol::Mutants::NONE);
        let clock = self.coordinator.clock();
        self.coordinator
            .spawn(drive(elector, desk, (inbox, inputs), clock))?;
        Ok(Election { handle })
    }
}

/// This process as a candidate of one election.
///
/// # Guarantees
/// - At any time, at most one candidate has a valid [`Term`], however long processes are paused, messages are delayed or
///   lost, and whatever wall clocks show. See [`Term`] for what it means to have one.
/// - The tokens of successive terms rise.
/// - It never gives up: outages, refusals and restarts of the API server are ridden out; what is lost can be won again. The
///   next term of this process begins only when the last one's [`Term`] and permits are dropped.
///
/// # Assumptions
/// As [`Term`]; and all who may write Leases in the namespace keep to the protocol, as client-go's candidates do.
///
/// Clones are the same candidate. When the last one is dropped, and the last term, it leaves in the background.
#[derive(Clone)]
pub struct Election {
    handle: Arc<Handle>,
}

impl Election {
    /// Waits until this process leads. If several wait, they get successive terms.
    ///
    /// The candidate with the highest [priority](Builder::priority) that is there takes over at once when a leader leaves
    /// in good order; after a crash, when the lease is over.
    ///
    /// # Errors
    /// [`Error::Refused`], if the API server says no: a missing permission or namespace, a Lease that belongs to something
    /// else. [`Error::Shutdown`] after the coordinator's end. An outage is no error; it is waited for.
    ///
    /// # Cancel safety
    /// Dropped, it leaves the queue; a term that was granted at that moment is handed over.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(mp: &metaparticle_coordination::Coordinator) -> Result<(), metaparticle_coordination::Error> {
    /// let election = mp.election("billing").build()?;
    /// let term = election.campaign().await?;
    /// while term.check().is_ok() {
    ///     // … a small piece of work …
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn campaign(&self) -> Result<Term, Error> {
        self.handle.shared.campaign().await
    }

    /// What this process sees of the election, now and as it changes.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<View> {
        self.handle.view.clone()
    }

    /// How it fares: whether it leads, and what keeps it from working. It goes on by itself in any case.
    #[must_use]
    pub fn health(&self) -> Health {
        self.handle.shared.part.health()
    }

    /// What its lease costs and bears. Candidates that do not lead ask once a minute.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.handle.budget
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.handle.name()
    }
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Election")
            .field("name", &self.name())
            .field("view", &*self.handle.view.borrow())
            .finish_non_exhaustive()
    }
}

/// What keeps the candidate: elections and terms.
struct Handle {
    name: Name,
    budget: Budget,
    view: watch::Receiver<View>,
    shared: Arc<Shared>,
}

impl Handle {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.tell(Input::Leave);
    }
}
