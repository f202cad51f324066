//! Shards: each key belongs to one process at a time.
//!
//! A key is hashed to a **slot** (4,096 of them, unless said otherwise), and a ConfigMap says which process owns the slot:
//! by the name of its pod, which is where slots are placed, *and* by the uid of its session, which is what owns. Whoever is
//! elected among the processes writes that map, moves as few slots as can be when processes come and go, and moves none
//! before its owner has let go of it. So a process that stands still, or is cut off, stops owning by its own clock before
//! anybody else begins.
//!
//! # Guarantees
//! - Two processes never both hold a valid [`Guard`] of a slot. What was sent under one may still arrive later, unless it
//!   is [fenced](Guard::fence).
//! - When processes come or go in order, each slot that moves waits for the [permits](Guard::permit) of its owner, and for
//!   nothing else.
//! - When one dies, its slots are given away once its session has expired, or at once where the kubelet reports the end of
//!   its container. While the API server is away, nothing moves; what is owned is owned for 80 % of the session.
//!
//! # Assumptions
//! As for [`session`](crate::session). All processes of a map have the same number of slots, and the same drain.
//!
//! # Examples
//! ```no_run
//! # async fn example(mp: &metaparticle_coordination::Coordinator) -> Result<(), Box<dyn std::error::Error>> {
//! let shards = mp.shards("users").start()?;
//! shards.ready();
//! match shards.guard("alice") {
//!     Ok(guard) => {
//!         let permit = guard.permit()?;
//!         // … the one process that acts for alice …
//! #       drop(permit);
//!     }
//!     Err(elsewhere) => println!("not here: {elsewhere}"),
//! }
//! # Ok(())
//! # }
//! ```

mod guard;
mod office;
mod steward;
mod store;
mod table;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use metaparticle_protocol::{
    Mutants, Name, Uid,
    fence::{Kind, annotation},
    shard::{
        Assigner, Owner, SlotCount, assigner,
        owner::{self, DRAIN, Input},
    },
};
use tokio::sync::{Notify, mpsc, watch};

pub use guard::{Guard, NotOwned};
#[doc(inline)]
pub use metaparticle_protocol::shard::{Claim, Slot, Verdict};

use self::{
    office::{Office, contend, stand_by},
    steward::Steward,
    store::Maps,
    table::Table,
};
use crate::{
    coordinator::Coordinator,
    drive::{Inbox, drive, inbox},
    error::{Error, label},
    lost::Lost,
    part::{self, Health, Part},
    suspects::Suspects,
};

/// A read that somebody waits for takes no longer (M8).
const REFRESH: Duration = Duration::from_millis(500);

impl Coordinator {
    /// The shards of that name: 1 to 56 lower-case letters, digits and `-`. The map is the ConfigMap of that name with
    /// `-shards` behind it, in the coordinator's namespace.
    pub fn shards(&self, name: impl Into<String>) -> Builder {
        Builder {
            coordinator: self.clone(),
            name: name.into(),
            slots: SlotCount::default().number(),
            address: String::new(),
            drain: DRAIN,
        }
    }
}

/// How to start [`Shards`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    coordinator: Coordinator,
    name: String,
    slots: u32,
    address: String,
    drain: Duration,
}

impl Builder {
    /// How many slots a new map has: a power of two, up to 16,384; above 4,096 for at most 100 processes. Default: 4,096.
    /// It cannot be changed later: the map that is there counts.
    pub fn slots(self, slots: u32) -> Self {
        Self { slots, ..self }
    }

    /// Where requests for this process's slots go: what [`Peer::address`] tells the others, IP and port.
    pub fn address(self, address: impl fmt::Display) -> Self {
        Self {
            address: address.to_string(),
            ..self
        }
    }

    /// How long permits may keep a slot from moving; then they end. Default: 10 s. The same for all processes of a map.
    pub fn drain(self, drain: Duration) -> Self {
        Self { drain, ..self }
    }

    /// Starts it. The map is followed from now on; slots are owned after [`Shards::ready`].
    ///
    /// # Errors
    /// [`Error::Name`], if the name is none; [`Error::Misuse`], if the number of slots is none, or if this coordinator has
    /// shards already: its session can say of one map what it owns; [`Error::Shutdown`].
    pub fn start(self) -> Result<Shards, Error> {
        self.begin(true)
    }

    /// Follows the map, and owns nothing: for a process that only sends requests to others.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn follow(self) -> Result<Shards, Error> {
        self.begin(false)
    }

    fn begin(self, owns: bool) -> Result<Shards, Error> {
        let map = format!("{}-shards", self.name);
        let name = label(&map, "shards")?;
        let slots =
            SlotCount::try_new(self.slots).map_err(|why| Error::Misuse(why.to_string().into()))?;
        if owns && !self.coordinator.claim_shards() {
            let text = "a coordinator has one map of shards: its session says what it owns of one";
            return Err(Error::Misuse(text.into()));
        }
        let coordinator = &self.coordinator;
        let (clock, whoami) = (coordinator.clock(), coordinator.whoami());
        let (identity, pod) = (whoami.identity(), Arc::<str>::from(&*whoami.pod));
        let budget = coordinator.session_budget();
        let maps = Maps::new(
            coordinator.store().clone(),
            name.clone(),
            annotation(Kind::Election, &name),
        );
        let part = coordinator.part(part::Kind::Shard, name.clone(), None);
        let table = Arc::new(Table::new(Arc::clone(&pod)));
        let (sender, inputs) = inbox();
        let (to_assigner, of_assigner) = inbox();
        let session = if owns {
            let session = coordinator.carrier()?;
            session.own(sender.clone(), to_assigner.clone());
            Some(session)
        } else {
            None
        };
        let mut config = owner::Config::new(name.clone(), pod, budget);
        (config.drain, config.address) = (self.drain, self.address.into());
        let owner = Owner::new(config, Mutants::NONE);
        let steward = Steward::new(
            maps.clone(),
            Arc::clone(&table),
            Arc::clone(&part),
            session.clone(),
        );
        let (stopping, leaving) = (coordinator.stopping(), Arc::clone(&table));
        let inbox = sender.clone();
        coordinator.spawn(async move {
            let stop = async {
                stopping.await;
                let _ = inbox.send(Input::Leave);
                leaving.left().await;
            };
            tokio::select! {
                () = drive(owner, steward, (inbox.clone(), inputs), clock) => {}
                () = stop => {}
            }
        })?;
        if let Some(session) = session {
            let mut config = assigner::Config::new(name.clone(), identity, budget);
            (config.slots, config.drain) = (slots, self.drain);
            let over = Arc::new(Notify::new());
            let office = Office {
                coordinator: coordinator.clone(),
                maps: maps.clone(),
                part: Arc::clone(&part),
                session,
                watches: HashMap::new(),
                suspects: Suspects::default(),
                over: Arc::clone(&over),
            };
            // Its leader's death costs no more time than that of an owner.
            let lease = budget.lease.min(crate::session::LEASE);
            let election = coordinator.election(name.as_str()).lease(lease);
            let (store, pod) = (coordinator.store().clone(), Arc::clone(&table.pod));
            let (stopping, of) = (coordinator.stopping(), name.clone());
            let work = async move {
                stand_by(store, pod, of, lease).await;
                // It fails at the end of the coordinator alone: name and lease are good.
                let Ok(election) = election.build() else {
                    return;
                };
                let assigner = Assigner::new(config, Mutants::NONE);
                tokio::select! {
                    () = drive(assigner, office, (to_assigner.clone(), of_assigner), clock) => {}
                    () = contend(election, to_assigner, over) => {}
                }
            };
            coordinator.spawn(async move {
                tokio::select! {
                    () = work => {}
                    () = stopping => {}
                }
            })?;
        }
        Ok(Shards {
            inner: Arc::new(Inner {
                name,
                table,
                maps,
                inbox: sender,
                part,
                coordinator: self.coordinator,
            }),
        })
    }
}

/// The shards of a program, as one of its processes has them. Clones are the same.
#[derive(Clone)]
pub struct Shards {
    inner: Arc<Inner>,
}

struct Inner {
    name: Name,
    table: Arc<Table>,
    maps: Maps,
    inbox: Inbox<Input>,
    part: Arc<Part>,
    coordinator: Coordinator,
}

impl Shards {
    /// This process may own slots from now on. Before, it follows the map. Called again, it does nothing.
    pub fn ready(&self) {
        self.tell(Input::Join);
    }

    /// What this process owns now: slots, and the tokens that fence what is written for them.
    #[must_use]
    pub fn owned(&self) -> Vec<(Slot, u64)> {
        self.inner.table.owned()
    }

    /// What becomes of this process's slots, beginning with those that it has, as if they came now.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes(self.inner.table.follow())
    }

    /// The slot of a key; none before a map was read. The hash is frozen: that of [`metaparticle_shard::hash`].
    #[must_use]
    pub fn slot(&self, key: impl AsRef<[u8]>) -> Option<Slot> {
        self.inner.table.slot(key.as_ref())
    }

    /// Who owns a key now, as far as this process knows.
    #[must_use]
    pub fn owner(&self, key: impl AsRef<[u8]>) -> Place {
        match self.slot(key) {
            Some(slot) => self.find(slot),
            None => Place::NoMap,
        }
    }

    /// Who owns a slot now, as far as this process knows.
    #[must_use]
    pub fn find(&self, slot: Slot) -> Place {
        self.inner.table.find(slot)
    }

    /// The right to act for a key.
    ///
    /// # Errors
    /// [`NotOwned`], if the key is not owned here now.
    pub fn guard(&self, key: impl AsRef<[u8]>) -> Result<Guard, NotOwned> {
        let slot = self.slot(key).ok_or(NotOwned::NoMap)?;
        self.guard_of(slot)
    }

    /// The right to act for all keys of a slot.
    ///
    /// # Errors
    /// [`NotOwned`], if the slot is not owned here now.
    pub fn guard_of(&self, slot: Slot) -> Result<Guard, NotOwned> {
        let held = self.inner.table.held(slot);
        match held.filter(|(_, held)| held.check().is_ok()) {
            Some((token, held)) => Ok(Guard {
                map: self.inner.name.clone(),
                slot,
                token,
                held,
            }),
            None => Err(NotOwned::of(slot, self.find(slot))),
        }
    }

    /// What becomes of a request that another process sent here, because its map names this one (M8).
    #[must_use]
    pub fn judge(&self, claim: &Claim) -> Verdict {
        self.inner.table.judge(claim)
    }

    /// The uid of the session under which this process owns; none while it has none.
    #[must_use]
    pub fn session(&self) -> Option<Uid> {
        self.inner.table.session()
    }

    /// The name of this process's pod.
    #[must_use]
    pub fn pod(&self) -> Arc<str> {
        Arc::clone(&self.inner.table.pod)
    }

    /// A secret that all who may read the map share; none before it was read.
    #[must_use]
    pub fn key(&self) -> Option<Arc<[u8]>> {
        self.inner.maps.key()
    }

    /// Sees to it that the map is read consistently, by one read for all who ask at the same time, at most two a second.
    /// Returns when that is done, at the latest after half a second.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn refresh(&self) {
        let now = self.inner.coordinator.clock().now();
        self.tell(Input::Doubt);
        self.inner.table.proven(now, REFRESH).await;
    }

    /// Counts up with each change of what [`find`](Self::find) says.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.inner.table.changed()
    }

    /// Gives all slots away, and waits until others have them; they are served until then. If nobody takes anything over
    /// for three seconds, it returns, and they end with the session. It cannot be taken back.
    ///
    /// # Cancel safety
    /// Dropped, the slots are given away all the same.
    pub async fn leave(&self) {
        self.tell(Input::Leave);
        self.inner.table.left().await;
    }

    /// How it fares: how many slots are owned, and what keeps it from working.
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.part.health()
    }

    /// The name of the map.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.name.as_str()
    }

    fn tell(&self, input: Input) {
        // Nobody there: coordination has ended, and nothing is owned any more.
        let _ = self.inner.inbox.send(input);
    }
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards")
            .field("name", &self.name())
            .field("owned", &self.owned().len())
            .finish_non_exhaustive()
    }
}

/// What becomes of a process's slots: see [`Shards::changes`].
#[derive(Debug)]
pub struct Changes(mpsc::UnboundedReceiver<Change>);

impl Changes {
    /// The next one; `None` when nothing is owned any more, nor will be.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<Change> {
        self.0.recv().await
    }
}

/// What became of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It is owned here from now on.
    Gained {
        /// Which.
        slot: Slot,
        /// Fences what is written for it.
        token: u64,
    },
    /// It moves to another process, as soon as all permits are dropped.
    Draining {
        /// Which.
        slot: Slot,
    },
    /// It does not move after all; guards are to be taken anew.
    Resumed {
        /// Which.
        slot: Slot,
    },
    /// It is not owned here any more.
    Lost {
        /// Which.
        slot: Slot,
        /// Why.
        why: Lost,
    },
}

/// Where requests for a slot go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// Here.
    Here,
    /// It is owned here, and moves to another process.
    Draining,
    /// To that process.
    Peer(Peer),
    /// Nobody owns it at present.
    Nobody,
    /// It is owned here, as the map says, and nothing proves it at present (M5).
    Unproven,
    /// No map was read yet, or there is none.
    NoMap,
}

/// Another process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The name of its pod.
    pub pod: Arc<str>,
    /// The uid of its session.
    pub session: Uid,
    /// Where it [said](Builder::address) that requests go.
    pub address: Arc<str>,
    /// The token under which it owns the slot.
    pub token: metaparticle_protocol::Token,
}
