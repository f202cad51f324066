//! [`Table`]: what everybody in this process may know of the slots, at once and from memory; written by the driver alone.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use metaparticle_protocol::{
    Moment, Token, Uid,
    shard::{Claim, Map, Slot, SlotCount, Verdict, gate, map::Entry},
};
use tokio::sync::{mpsc, watch};

use super::{Change, Peer, Place};
use crate::{lost::Lost, word::Held};

/// Who leaves waits so long for a sign that its slots are taken over.
const PATIENCE: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) pod: Arc<str>,
    /// One, so that nobody sees a map beside what was owned by another.
    page: ArcSwap<Page>,
    /// Counts the views.
    changed: watch::Sender<u64>,
    /// When the last read was sent that proved the map (M5).
    proven: watch::Sender<Option<Moment>>,
    /// Nothing is owned any more, nor will be.
    left: watch::Sender<bool>,
    followers: Mutex<Followers>,
}

/// What is true together.
#[derive(Debug, Default)]
struct Page {
    view: View,
    /// By slot; empty as long as there is no map. One by one, because slots change one by one.
    own: Vec<ArcSwap<Own>>,
}

impl Page {
    fn own(&self, slot: Slot) -> Own {
        let own = self.own.get(slot.0 as usize);
        own.map_or(Own::No, |own| Own::clone(&own.load()))
    }

    fn entry(&self, slot: Slot) -> Option<Entry<'_>> {
        self.view.map.as_ref()?.entry(slot)
    }
}

/// The map, at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) map: Option<Arc<Map>>,
    /// Of this process.
    pub(super) session: Option<Uid>,
}

/// A slot, as far as it concerns this process.
#[derive(Clone, Debug, Default)]
pub(super) enum Own {
    /// It does not.
    #[default]
    No,
    /// It is served.
    Served(Token, Held),
    /// It is drained here, or was, or will be served in a moment: wait for a change.
    Drained(Token),
    /// It is ours, as the map says, and not served: nothing proves it yet, or any more.
    Unproven(Token),
}

impl Own {
    /// Guards end before it is written down here that they have.
    fn now(self) -> Self {
        match &self {
            Self::Served(token, held) => match held.check() {
                Ok(()) => self,
                Err(Lost::Moved) => Self::Drained(*token),
                Err(_) => Self::Unproven(*token),
            },
            _ => self,
        }
    }
}

/// Who is told of changes.
#[derive(Debug, Default)]
struct Followers {
    senders: Vec<mpsc::UnboundedSender<Change>>,
    /// What is owned, for who comes later.
    owned: std::collections::BTreeMap<Slot, Token>,
    closed: bool,
}

impl Table {
    pub(super) fn new(pod: Arc<str>) -> Self {
        Self {
            pod,
            page: ArcSwap::default(),
            changed: watch::Sender::new(0),
            proven: watch::Sender::new(None),
            left: watch::Sender::new(false),
            followers: Mutex::default(),
        }
    }

    pub(super) fn session(&self) -> Option<Uid> {
        self.page.load().view.session.clone()
    }

    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The slot of a key, once the number of slots is known.
    pub(super) fn slot(&self, key: &[u8]) -> Option<Slot> {
        let slots = self.page.load().view.map.as_ref()?.slots();
        Some(slot(key, slots))
    }

    pub(super) fn find(&self, slot: Slot) -> Place {
        let page = self.page.load();
        match page.own(slot).now() {
            Own::Served(..) => Place::Here,
            Own::Unproven(_) => Place::Unproven,
            Own::Drained(_) => Place::Draining,
            Own::No if page.view.map.is_none() => Place::NoMap,
            Own::No => match page
                .entry(slot)
                .and_then(|entry| Some((entry.owner?, entry.token)))
            {
                Some((owner, token)) => Place::Peer(Peer {
                    pod: Arc::clone(&owner.pod),
                    session: owner.uid.clone(),
                    address: Arc::clone(&owner.address),
                    token,
                }),
                None => Place::Nobody,
            },
        }
    }

    /// What the slot is held by, if it is served here.
    pub(super) fn held(&self, slot: Slot) -> Option<(Token, Held)> {
        match self.page.load().own(slot) {
            Own::Served(token, held) => Some((token, held)),
            _ => None,
        }
    }

    /// All that are served here now.
    pub(super) fn owned(&self) -> Vec<(Slot, u64)> {
        let page = self.page.load();
        let slots = (0..).map(Slot).zip(page.own.iter());
        let served = slots.filter_map(|(slot, own)| match &**own.load() {
            Own::Served(token, held) if held.check().is_ok() => Some((slot, token.0)),
            _ => None,
        });
        served.collect()
    }

    /// M8, by what is known here.
    pub(super) fn judge(&self, claim: &Claim) -> Verdict {
        let page = self.page.load();
        let here = match page.own(claim.slot).now() {
            Own::Served(token, _) => gate::Here::Serving(token),
            Own::Unproven(token) => gate::Here::Unproven(token),
            Own::Drained(token) => gate::Here::Draining(token),
            Own::No => gate::Here::Elsewhere(page.entry(claim.slot).map(|entry| entry.token)),
        };
        gate::verdict(claim, page.view.session.as_ref(), here)
    }

    /// Another map, or session, and what each slot is by it.
    pub(super) fn publish(&self, view: View, own: Vec<Own>) {
        let none = Arc::new(Own::No);
        let own = own.into_iter().map(|own| match own {
            Own::No => ArcSwap::from(Arc::clone(&none)),
            own => ArcSwap::from_pointee(own),
        });
        let own = own.collect();
        self.page.store(Arc::new(Page { view, own }));
        self.tell_changed();
    }

    /// What this slot is now.
    pub(super) fn set(&self, slot: Slot, own: Own) {
        if let Some(cell) = self.page.load().own.get(slot.0 as usize) {
            cell.store(Arc::new(own));
        }
    }

    /// Whoever waits for a change looks again.
    pub(super) fn tell_changed(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn prove(&self, sent: Option<Moment>) {
        self.proven.send_if_modified(|proven| {
            let changed = *proven != sent;
            *proven = sent;
            changed
        });
    }

    /// Waits for the proof of a read that was sent at `begin` or later, at most `patience`.
    pub(super) async fn proven(&self, begin: Moment, patience: Duration) {
        let mut proven = self.proven.subscribe();
        let fresh = proven.wait_for(|sent| sent.is_some_and(|sent| sent >= begin));
        // The table has the sender: there is nothing else that could end it.
        let _ = tokio::time::timeout(patience, fresh).await;
    }

    /// Something became of slots.
    pub(super) fn tell(&self, change: &Change) {
        let mut followers = self.followers();
        match change {
            Change::Gained { slot, token } => {
                followers.owned.insert(*slot, Token(*token));
            }
            Change::Lost { slot, .. } => {
                followers.owned.remove(slot);
            }
            Change::Draining { .. } | Change::Resumed { .. } => {}
        }
        followers
            .senders
            .retain(|sender| sender.send(change.clone()).is_ok());
    }

    /// What is owned, as if it came now, and all that comes.
    pub(super) fn follow(&self) -> mpsc::UnboundedReceiver<Change> {
        let (sender, changes) = mpsc::unbounded_channel();
        let mut followers = self.followers();
        for (slot, token) in &followers.owned {
            let (slot, token) = (*slot, token.0);
            let _ = sender.send(Change::Gained { slot, token });
        }
        if !followers.closed {
            followers.senders.push(sender);
        }
        changes
    }

    pub(super) fn is_left(&self) -> bool {
        *self.left.borrow()
    }

    /// Nothing is owned any more, nor will be: followers come to their end.
    pub(super) fn leave(&self) {
        self.left.send_replace(true);
        let mut followers = self.followers();
        followers.senders.clear();
        followers.closed = true;
    }

    /// Waits until nothing is owned any more, or until nothing has changed for a while and nothing is on its way to another:
    /// then nobody takes anything over. What is on its way comes to its end by the drain's deadline (M6).
    pub(super) async fn left(&self) {
        let mut left = self.left.subscribe();
        let mut changed = self.changed();
        loop {
            tokio::select! {
                biased;
                _ = left.wait_for(|left| *left) => return,
                _ = changed.changed() => {}
                () = tokio::time::sleep(PATIENCE) => if !self.is_moving() {
                    return;
                },
            }
        }
    }

    /// Whether a slot of this process moves to another.
    fn is_moving(&self) -> bool {
        let page = self.page.load();
        let (Some(map), Some(own)) = (&page.view.map, &page.view.session) else {
            return false;
        };
        map.entries().any(|(_, entry)| {
            entry.to.is_some() && entry.owner.is_some_and(|owner| owner.uid == *own)
        })
    }

    fn followers(&self) -> MutexGuard<'_, Followers> {
        // Nothing in here panics halfway through a change.
        self.followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slot of a key: the first bits of its frozen hash, as in the pure map.
pub(super) fn slot(key: &[u8], slots: SlotCount) -> Slot {
    let bits = slots.number().trailing_zeros();
    // In two steps: one slot would shift by 64.
    let slot = metaparticle_shard::hash(key) >> 1 >> (63 - bits);
    Slot(u32::try_from(slot).expect("a map has few slots"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use metaparticle_protocol::{Mutants, Version, shard};
    use metaparticle_shard::{Access, Assigner, Layout, Members};

    use super::*;

    #[test]
    fn slot_that_comes_and_goes_is_always_here_or_there() {
        let peer = |pod: &str| shard::map::Peer {
            pod: pod.into(),
            session: pod.into(),
            uid: pod.into(),
            address: "".into(),
        };
        let empty = Map::empty(SlotCount::default(), Token(1));
        let owned_by = |pod| {
            let mut edit = empty.edit(Version(7), Token(1), Mutants::NONE);
            for slot in 0..empty.slots().number() {
                edit.assign(Slot(slot), &peer(pod));
            }
            let map = Some(Arc::new(edit.finish()));
            let session = Some("me".into());
            View { map, session }
        };
        let (mine, theirs) = (owned_by("me"), owned_by("other"));
        let slots = empty.slots().number() as usize;
        let table = Table::new("me".into());
        table.publish(theirs.clone(), vec![Own::No; slots]);
        let going = AtomicBool::new(true);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let (mut here, mut there) = (0, 0);
                while going.load(Ordering::Relaxed) {
                    match table.find(Slot(3)) {
                        Place::Draining => here += 1,
                        Place::Peer(_) => there += 1,
                        other => panic!("{other:?}"),
                    }
                }
                (here, there)
            });
            for _ in 0..500 {
                table.publish(mine.clone(), vec![Own::Drained(Token(7)); slots]);
                table.publish(theirs.clone(), vec![Own::No; slots]);
            }
            going.store(false, Ordering::Relaxed);
            let (here, there) = reader.join().unwrap();
            assert!(here > 0 && there > 0, "seen {here} and {there} times");
        });
    }

    #[test]
    fn slots_of_keys_are_those_of_the_pure_map() {
        for count in [1, 2, 4096, 16_384] {
            let slots = SlotCount::try_new(count).unwrap();
            let layout = Layout::try_new(count, 1, Assigner::MinMove, Access::Exclusive).unwrap();
            let members = Members::named(["a"]).unwrap();
            let map = layout.build(&members).unwrap();
            for key in ["", "alice", "bob", "a key that is longer than others"] {
                assert_eq!(
                    slot(key.as_bytes(), slots).0 as usize,
                    map.slot(key).index()
                );
            }
        }
    }
}
