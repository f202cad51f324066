//! [`Table`]: what everybody in this process may know of the slots, at once and from memory; written by the driver alone.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use metaparticle_protocol::{
    Moment, Token, Uid,
    shard::{Claim, Map, Slot, SlotCount, Verdict, gate},
};
use tokio::sync::{mpsc, watch};

use super::{Change, Peer, Place, store::Maps};
use crate::{lost::Lost, word::Held};

/// Who leaves waits so long for a sign that its slots are taken over.
const PATIENCE: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) pod: Arc<str>,
    maps: Maps,
    view: ArcSwap<View>,
    /// By slot; empty as long as there is no map. One by one, because slots change one by one.
    own: ArcSwap<Vec<ArcSwap<Own>>>,
    /// Counts the views.
    changed: watch::Sender<u64>,
    /// When the last read was sent that proved the map (M5).
    proven: watch::Sender<Option<Moment>>,
    /// Nothing is owned any more, nor will be.
    left: watch::Sender<bool>,
    followers: Mutex<Followers>,
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
    pub(super) fn new(pod: Arc<str>, maps: Maps) -> Self {
        Self {
            pod,
            maps,
            view: ArcSwap::default(),
            own: ArcSwap::default(),
            changed: watch::Sender::new(0),
            proven: watch::Sender::new(None),
            left: watch::Sender::new(false),
            followers: Mutex::default(),
        }
    }

    pub(super) fn key(&self) -> Option<Arc<[u8]>> {
        self.maps.key()
    }

    pub(super) fn view(&self) -> arc_swap::Guard<Arc<View>> {
        self.view.load()
    }

    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The slot of a key, once the number of slots is known.
    pub(super) fn slot(&self, key: &[u8]) -> Option<Slot> {
        let slots = self.view().map.as_ref()?.slots();
        Some(slot(key, slots))
    }

    pub(super) fn find(&self, slot: Slot) -> Place {
        match self.own(slot).now() {
            Own::Served(..) => Place::Here,
            Own::Unproven(_) => Place::Unproven,
            Own::Drained(_) => Place::Draining,
            Own::No => {
                let view = self.view();
                let Some(map) = &view.map else {
                    return Place::NoMap;
                };
                match map
                    .entry(slot)
                    .and_then(|entry| Some((entry.owner?, entry.token)))
                {
                    // It was lost a moment ago, or is gained in the next.
                    Some((owner, _)) if Some(&owner.uid) == view.session.as_ref() => {
                        Place::Unproven
                    }
                    Some((owner, token)) => Place::Peer(Peer {
                        pod: Arc::clone(&owner.pod),
                        session: owner.uid.clone(),
                        address: Arc::clone(&owner.address),
                        token,
                    }),
                    None => Place::Nobody,
                }
            }
        }
    }

    /// What the slot is held by, if it is served here.
    pub(super) fn held(&self, slot: Slot) -> Option<(Token, Held)> {
        match self.own(slot) {
            Own::Served(token, held) => Some((token, held)),
            _ => None,
        }
    }

    /// All that are served here now.
    pub(super) fn owned(&self) -> Vec<(Slot, u64)> {
        let own = self.own.load();
        let slots = (0..).map(Slot).zip(own.iter());
        let served = slots.filter_map(|(slot, own)| match &**own.load() {
            Own::Served(token, held) if held.check().is_ok() => Some((slot, token.0)),
            _ => None,
        });
        served.collect()
    }

    /// M8, by what is known here.
    pub(super) fn judge(&self, claim: &Claim) -> Verdict {
        let view = self.view();
        let here = match self.own(claim.slot).now() {
            Own::Served(token, _) => gate::Here::Serving(token),
            Own::Unproven(token) => gate::Here::Unproven(token),
            Own::Drained(token) => gate::Here::Draining(token),
            Own::No => {
                let entry = view.map.as_ref().and_then(|map| map.entry(claim.slot));
                gate::Here::Elsewhere(entry.map(|entry| entry.token))
            }
        };
        gate::verdict(claim, view.session.as_ref(), here)
    }

    fn own(&self, slot: Slot) -> Own {
        let own = self.own.load();
        own.get(slot.0 as usize)
            .map_or(Own::No, |own| Own::clone(&own.load()))
    }

    /// Another map, or session, and what each slot is by it.
    pub(super) fn publish(&self, view: View, own: Vec<Own>) {
        // What is ours first: in between, a slot that was given away is not found at all.
        let none = Arc::new(Own::No);
        let own = own.into_iter().map(|own| match own {
            Own::No => ArcSwap::from(Arc::clone(&none)),
            own => ArcSwap::from_pointee(own),
        });
        self.own.store(Arc::new(own.collect()));
        self.view.store(Arc::new(view));
        self.tell_changed();
    }

    /// What this slot is now.
    pub(super) fn set(&self, slot: Slot, own: Own) {
        if let Some(cell) = self.own.load().get(slot.0 as usize) {
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
        let view = self.view();
        let (Some(map), Some(own)) = (&view.map, &view.session) else {
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
    use metaparticle_shard::{Access, Assigner, Layout, Members};

    use super::*;

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
