//! [`Steward`]: does what the [`Owner`] of this process wants done.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use metaparticle_protocol::{
    Moment, Token, Uid,
    shard::{
        Owner, Slot,
        api::Sight,
        gate::Here,
        owner::{Action, Input, Loss},
    },
};

use super::{
    Change,
    store::Maps,
    table::{Own, Table, View},
};
use crate::{
    drive::{Context, Driver, Watching},
    lost::Lost,
    part::Part,
    session::Session,
    word::{Held, Keeper, incarnation},
};

pub(super) struct Steward {
    maps: Maps,
    table: Arc<Table>,
    part: Arc<Part>,
    /// `None`: it only follows the map.
    session: Option<Arc<Session>>,
    watching: Option<Watching>,
    pages: BTreeMap<Slot, Page>,
    /// What is owned may be relied on until then.
    until: Moment,
    /// The sessions that this process had: what stands under one of these is nobody else's.
    past: BTreeSet<Uid>,
    /// Slots that are not what others see.
    changed: Vec<Slot>,
    /// To be told once they are.
    news: Vec<Change>,
    /// What others see.
    shown: View,
    /// Since the last time that it was said.
    gained: usize,
    lost: BTreeMap<Loss, usize>,
}

/// A slot that is served, or drained.
struct Page {
    token: Token,
    keeper: Keeper,
    held: Held,
    /// Of drains that were called off: their permits go on, and are waited for.
    earlier: Vec<Keeper>,
}

impl Page {
    fn keepers(&self) -> impl Iterator<Item = &Keeper> {
        self.earlier.iter().chain([&self.keeper])
    }
}

impl Steward {
    pub(super) fn new(
        maps: Maps,
        table: Arc<Table>,
        part: Arc<Part>,
        session: Option<Arc<Session>>,
    ) -> Self {
        Self {
            maps,
            table,
            part,
            session,
            watching: None,
            pages: BTreeMap::new(),
            until: Moment::default(),
            past: BTreeSet::new(),
            changed: Vec::new(),
            news: Vec::new(),
            shown: View::default(),
            gained: 0,
            lost: BTreeMap::new(),
        }
    }

    fn gain(&mut self, slot: Slot, token: Token, until: Moment, context: &Context<Input>) {
        self.until = self.until.max(until);
        let (keeper, held) = incarnation(context.clock(), until);
        let page = Page {
            token,
            keeper,
            held,
            earlier: Vec::new(),
        };
        self.pages.insert(slot, page);
        self.changed.push(slot);
        self.part.acquired(Some(token));
        self.gained += 1;
        let token = token.0;
        self.news.push(Change::Gained { slot, token });
    }

    fn extend(&mut self, until: Moment, context: &Context<Input>) {
        self.until = self.until.max(until);
        self.part.trouble(None);
        for (slot, page) in &self.pages {
            let mut lapsed = false;
            for keeper in page.keepers() {
                lapsed |= !keeper.extend(until) && std::ptr::eq(keeper, &raw const page.keeper);
            }
            if lapsed {
                // The process stood still between the machine's look at the clock and this one.
                let (slot, token) = (*slot, page.token);
                let _ = context.inbox().send(Input::Lapsed { slot, token });
            }
        }
    }

    fn drain(
        &mut self,
        slot: Slot,
        generation: metaparticle_protocol::Version,
        context: &mut Context<Input>,
    ) {
        let Some(page) = self.pages.get(&slot) else {
            return;
        };
        page.keeper.close(Lost::Moved);
        self.changed.push(slot);
        self.news.push(Change::Draining { slot });
        if page.keepers().all(|keeper| keeper.permits() == 0) {
            let _ = context.inbox().send(Input::Drained { slot, generation });
            return;
        }
        let drained: Vec<_> = page.keepers().map(Keeper::drained).collect();
        context.start(async move {
            for drained in drained {
                drained.await;
            }
            Some(Input::Drained { slot, generation })
        });
    }

    fn resume(&mut self, slot: Slot, context: &Context<Input>) {
        let Some(page) = self.pages.get_mut(&slot) else {
            return;
        };
        let (keeper, held) = incarnation(context.clock(), self.until);
        let earlier = std::mem::replace(&mut page.keeper, keeper);
        page.held = held;
        page.earlier.push(earlier);
        page.earlier.retain(|keeper| keeper.permits() > 0);
        self.changed.push(slot);
        self.news.push(Change::Resumed { slot });
    }

    fn lose(&mut self, slot: Slot, why: Loss) {
        let Some(page) = self.pages.remove(&slot) else {
            return;
        };
        self.changed.push(slot);
        let lost = lost(why);
        for keeper in page.keepers() {
            keeper.invalidate(lost.clone());
        }
        if why == Loss::Drained {
            self.part.released(None);
        } else {
            self.part.lost(&lost);
        }
        *self.lost.entry(why).or_default() += 1;
        self.news.push(Change::Lost { slot, why: lost });
    }

    /// Nothing is owned any more, nor will be: the session may be closed.
    fn leave(&self) {
        self.table.leave();
        if let Some(session) = &self.session {
            session.disown();
        }
    }

    /// One line for thousands of slots: what is drained bit by bit is told with the next map.
    fn say(&mut self) {
        let map = self.part.health().name;
        if self.gained > 0 {
            let (slots, owned) = (std::mem::take(&mut self.gained), self.pages.len());
            tracing::info!(rule = "M4", %map, slots, owned, "slots gained");
        }
        for (why, slots) in std::mem::take(&mut self.lost) {
            let owned = self.pages.len();
            if matches!(why, Loss::Drained) {
                tracing::info!(rule = "M4", %map, slots, owned, "slots given away");
            } else {
                tracing::warn!(rule = lost(why).rule(), %map, slots, owned, %why, "slots lost");
            }
        }
    }

    /// What a slot is to this process.
    fn own(&self, machine: &Owner, now: Moment, slot: Slot) -> Own {
        let page = self.pages.get(&slot);
        let entry = machine.map().and_then(|map| map.entry(slot));
        let owner = entry.and_then(|entry| entry.owner);
        let is = |uid: &Uid| owner.is_some_and(|owner| owner.uid == *uid);
        if page.is_none() && !machine.session().is_some_and(is) {
            let was_mine = owner.is_some_and(|owner| self.past.contains(&owner.uid));
            let unproven = entry.filter(|_| was_mine);
            return unproven.map_or(Own::No, |entry| Own::Unproven(entry.token));
        }
        match (machine.here(now, slot), page) {
            (Here::Serving(token), Some(page)) => Own::Served(token, page.held.clone()),
            (Here::Draining(token), _) => Own::Drained(token),
            (Here::Serving(token) | Here::Unproven(token), _) => Own::Unproven(token),
            (Here::Elsewhere(_), _) => Own::No,
        }
    }

    /// Everybody sees from now on what the machine knows.
    fn show(&mut self, machine: &Owner, now: Moment) {
        let session = machine.session();
        let map = machine.map();
        let is_other = match (map, &self.shown.map) {
            (Some(map), Some(shown)) => !Arc::ptr_eq(map, shown),
            (map, shown) => map.is_some() != shown.is_some(),
        };
        if is_other || session != self.shown.session.as_ref() {
            self.past.extend(session.cloned());
            self.changed.clear();
            let slots = map.map_or(0, |map| map.slots().number());
            let own = (0..slots).map(|slot| self.own(machine, now, Slot(slot)));
            let (own, map, session) = (own.collect(), map.cloned(), session.cloned());
            self.shown = View { map, session };
            self.table.publish(self.shown.clone(), own);
            self.say();
        } else if !self.changed.is_empty() {
            for slot in std::mem::take(&mut self.changed) {
                self.table.set(slot, self.own(machine, now, slot));
            }
            self.table.tell_changed();
            if self.lost.keys().any(|why| *why != Loss::Drained) {
                self.say();
            }
        }
        // Who hears of a slot finds it so.
        for change in self.news.drain(..) {
            self.table.tell(&change);
        }
    }
}

impl Driver for Steward {
    type Machine = Owner;

    fn act(&mut self, action: Action, context: &mut Context<Input>) {
        match action {
            Action::Ask {
                call,
                request,
                within,
            } => {
                let maps = self.maps.clone();
                context.start(async move {
                    Some(Input::Answer(call, maps.call(request, within).await))
                });
            }
            Action::WatchMap { watch } => {
                let (sights, part) = (self.maps.watch(context.clock()), Arc::clone(&self.part));
                let blind = |seen: &Result<Sight, _>| matches!(seen, Ok(Sight::Lost) | Err(_));
                self.watching = Some(context.follow(sights, blind, move |seen| {
                    let sight = seen.unwrap_or_else(|refusal| {
                        part.trouble(Some(refusal.to_string().into()));
                        Sight::Lost
                    });
                    Input::Saw(watch, sight)
                }));
            }
            Action::Session => {
                if let Some(session) = &self.session {
                    session.demand();
                }
            }
            Action::Tell { told, now } => {
                if let Some(session) = &self.session {
                    session.tell(told, now);
                }
            }
            Action::RolledBack => {
                if let Some(session) = &self.session {
                    session.rolled_back();
                }
            }
            Action::Gained { slot, token, until } => self.gain(slot, token, until, context),
            Action::Valid { until } => self.extend(until, context),
            Action::Drain {
                slot, generation, ..
            } => self.drain(slot, generation, context),
            Action::Resumed { slot } => self.resume(slot, context),
            Action::Lost { slot, why } => self.lose(slot, why),
            Action::Left => self.leave(),
            Action::Refused(why) => self.part.trouble(Some(why)),
        }
    }

    fn settled(&mut self, machine: &Owner, context: &mut Context<Input>) -> bool {
        self.show(machine, context.now());
        self.table.prove(machine.proven());
        // Who has left follows the map all the same, for those who still ask here, until the coordinator ends.
        true
    }
}

impl Drop for Steward {
    fn drop(&mut self) {
        for slot in self.pages.keys().copied().collect::<Vec<_>>() {
            self.lose(slot, Loss::Session);
        }
        self.table.publish(View::default(), Vec::new());
        for change in self.news.drain(..) {
            self.table.tell(&change);
        }
        self.leave();
    }
}

fn lost(why: Loss) -> Lost {
    match why {
        Loss::Drained | Loss::DrainTooLong | Loss::Moved => Lost::Moved,
        Loss::NoMap => Lost::NoMap,
        Loss::RolledBack => Lost::RolledBack,
        Loss::Session => Lost::Session {
            why: why.to_string().into(),
        },
        _ => Lost::Expired,
    }
}
