//! [`Monitor`]: sees all processes at once and real time, and says when a promise is broken.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use metaparticle_protocol::{Moment, Name, Token};

use crate::{
    node::{Grant, Mode},
    store::Store,
};

/// Names a guard: process, incarnation, guard.
pub type GuardId = (usize, u32, u64);

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// Two guards that exclude each other are valid at once.
    Overlap(Name, GuardId, GuardId),
    /// A guard begins with a token that is not above the last one.
    Token(Name, Token, Token),
    /// A guard that was invalid is valid again.
    Revived(GuardId),
    /// A lock is held before an earlier ticket that excludes it.
    Order(Name, Name),
    /// The Lease of a valid guard was given to client-go, or client-go's was taken before it expired.
    Taken(Name),
    /// A fenced write below the claim was accepted.
    StaleWrite(GuardId),
    /// The holder's own fenced write was refused, although nobody came after it.
    WrongRefusal(GuardId),
    /// A guard was given up for a reason that is none.
    NeedlessLoss(GuardId),
    /// Nobody leads, or somebody waits in vain, long after the last fault.
    Stuck(String),
    /// A ticket or a session is left over.
    Leak(Name),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap(name, one, other) => {
                write!(f, "overlap on {name}: {one:?} and {other:?}")
            }
            Self::Token(name, last, token) => {
                write!(f, "token of {name} does not rise: {token} after {last}")
            }
            Self::Revived(guard) => write!(f, "guard {guard:?} is valid again"),
            Self::Order(name, ticket) => write!(f, "{name}: {ticket} was earlier"),
            Self::Taken(name) => write!(f, "{name} was taken before it was free"),
            Self::StaleWrite(guard) => write!(f, "a stale write of {guard:?} was accepted"),
            Self::WrongRefusal(guard) => write!(f, "the holder's write was refused: {guard:?}"),
            Self::NeedlessLoss(guard) => write!(f, "guard {guard:?} was given up for nothing"),
            Self::Stuck(what) => write!(f, "stuck: {what}"),
            Self::Leak(name) => write!(f, "left over: {name}"),
        }
    }
}

/// A guard that was valid at some time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    grant: Grant,
    began: Duration,
    is_foreign: bool,
    /// Invalidated; only permits may live on.
    is_over: bool,
    /// Permits outlive it until then.
    permits: Option<Moment>,
}

impl Held {
    fn is_valid(&self, now: Moment) -> bool {
        let before = |deadline: Option<Moment>| deadline.is_none_or(|deadline| now < deadline);
        (!self.is_over && before(self.grant.deadline))
            || self.permits.is_some_and(|until| now < until)
    }
}

/// When something was done by hand, and until when its consequences are borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Forced {
    /// Guards that began before this may overlap
    at: Duration,
    /// until then.
    until: Duration,
}

/// All guards, and what was promised of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Monitor {
    held: BTreeMap<GuardId, Held>,
    /// The last of each resource, and who had it.
    tokens: BTreeMap<Name, (Token, (usize, u32))>,
    /// Slots that nobody has served since then, as far as owners said so.
    stopped: BTreeMap<Name, Duration>,
    /// The longest time for which a slot was so.
    pub longest_gap: Duration,
    forced: Option<Forced>,
    /// Their words refused to be extended, as words do that have run out: no later extension counts.
    refused: BTreeSet<GuardId>,
    /// Overlaps in which client-go held on: its own, reported and not judged.
    pub foreign_overlaps: u64,
    /// How often a guard began.
    pub grants: u64,
}

impl Monitor {
    /// Something was changed by hand: guards that begin within `grace` may still rest on what was before, and must be
    /// gone `bound` later.
    pub fn force(&mut self, now: Duration, grace: Duration, bound: Duration) {
        self.forced = Some(Forced {
            at: now + grace,
            until: now + bound,
        });
        self.tokens.clear();
    }

    /// The store went back, and gives out versions, which tokens are made of, a second time (X).
    pub fn restored(&mut self) {
        self.tokens.clear();
    }

    /// A guard begins. `clock` shows each process's clock, `alive` tells whether a session's process lives on in the
    /// store.
    ///
    /// # Errors
    /// If that breaks a promise.
    pub fn hold(
        &mut self,
        now: Duration,
        clock: impl Fn(usize) -> Moment,
        id: GuardId,
        grant: Grant,
        is_foreign: bool,
        store: &Store,
    ) -> Result<(), Violation> {
        if grant
            .deadline
            .is_some_and(|deadline| clock(id.0) >= deadline)
        {
            return Ok(()); // never valid
        }
        self.grants += 1;
        self.held
            .retain(|(process, ..), held| held.is_valid(clock(*process)));
        let excused = self.forced.is_some_and(|forced| now < forced.until);
        self.overlaps(now, id, &grant, is_foreign)?;
        if self.forced.is_none() && !is_foreign {
            in_order(&grant, store)?;
        }
        if let Some(token) = grant.token.filter(|_| !is_foreign) {
            let last = self.tokens.get(&grant.resource).copied();
            let by = (id.0, id.1);
            let again = |last| grant.mode == Mode::Slot && last == (token, by);
            if let Some(last) = last.filter(|last| last.0 >= token && !again(*last) && !excused) {
                return Err(Violation::Token(grant.resource, last.0, token));
            }
            if !excused {
                self.tokens.insert(grant.resource.clone(), (token, by));
            }
        }
        if let Some(since) = self.stopped.remove(&grant.resource) {
            self.longest_gap = self.longest_gap.max(now.saturating_sub(since));
        }
        let held = Held {
            grant,
            began: now,
            is_foreign,
            is_over: false,
            permits: None,
        };
        if self.held.insert(id, held).is_some() {
            return Err(Violation::Revived(id));
        }
        Ok(())
    }

    fn overlaps(
        &mut self,
        now: Duration,
        id: GuardId,
        grant: &Grant,
        is_foreign: bool,
    ) -> Result<(), Violation> {
        let mut beside = 0;
        for (other, held) in &self.held {
            if *other == id || held.grant.resource != grant.resource {
                continue;
            }
            if held.is_foreign || is_foreign {
                // It leads on after its record has expired, or after its release, and begins on a late answer. What is
                // ours to keep is judged where the server accepts a write.
                self.foreign_overlaps += 1;
                continue;
            }
            let excused = self
                .forced
                .is_some_and(|forced| held.began <= forced.at && now < forced.until);
            if excused {
                continue;
            }
            beside += 1;
            let full = matches!(grant.mode, Mode::Few(limit) if beside >= limit);
            if grant.mode.excludes(held.grant.mode) || full {
                return Err(Violation::Overlap(grant.resource.clone(), *other, id));
            }
        }
        Ok(())
    }

    /// The server accepted that client-go leads.
    ///
    /// # Errors
    /// If a guard of ours is valid: it saw no expiry and no release.
    pub fn given_away(
        &self,
        now: Duration,
        clock: impl Fn(usize) -> Moment,
        resource: &Name,
    ) -> Result<(), Violation> {
        let excused = self.forced.is_some_and(|forced| now < forced.until);
        let valid = self.held.iter().any(|((process, ..), held)| {
            held.grant.resource == *resource && !held.is_foreign && held.is_valid(clock(*process))
        });
        if valid && !excused {
            return Err(Violation::Taken(resource.clone()));
        }
        Ok(())
    }

    /// A guard's deadline moves.
    ///
    /// # Errors
    /// If it was invalid already.
    pub fn extend(&mut self, now: Moment, id: GuardId, deadline: Moment) -> Result<(), Violation> {
        if self.refused.contains(&id) {
            return Ok(());
        }
        let Some(held) = self.held.get_mut(&id) else {
            return if now < deadline {
                Err(Violation::Revived(id))
            } else {
                Ok(())
            };
        };
        let was = held.grant.deadline.is_none_or(|old| now < old) && !held.is_over;
        if !was && now < deadline {
            return Err(Violation::Revived(id));
        }
        held.grant.deadline = Some(deadline);
        Ok(())
    }

    /// A guard is invalid from now on.
    pub fn invalidate(&mut self, id: GuardId) {
        if let Some(held) = self.held.get_mut(&id) {
            held.is_over = true;
        }
    }

    /// Nobody serves the slots of that process from now on, or that one slot.
    pub fn stopped(
        &mut self,
        now: Duration,
        (process, incarnation, guard): (usize, u32, Option<u64>),
    ) {
        for (id, held) in &self.held {
            let is_it = id.0 == process && id.1 == incarnation && guard.is_none_or(|of| of == id.2);
            if is_it && held.grant.mode == Mode::Slot {
                self.stopped.insert(held.grant.resource.clone(), now);
            }
        }
    }

    /// A guard's word had run out when it was to be extended, because its process was stopped in between: it stays so.
    pub fn refuse(&mut self, id: GuardId) {
        self.refused.insert(id);
    }

    /// Permits of that guard live until then at the latest.
    pub fn permits_outlive(&mut self, id: GuardId, until: Moment) {
        if let Some(held) = self.held.get_mut(&id) {
            held.permits = Some(until);
        }
    }

    /// No permit of that guard lives.
    pub fn permits_dropped(&mut self, id: GuardId) {
        if let Some(held) = self.held.get_mut(&id) {
            held.permits = None;
        }
    }

    /// The process is gone, and all that it held.
    pub fn crashed(&mut self, process: usize, incarnation: u32) {
        self.held
            .retain(|(owner, of, _), _| *owner != process || *of != incarnation);
    }

    /// Whether that guard is valid.
    #[must_use]
    pub fn is_valid(&self, now: Moment, id: GuardId) -> bool {
        let held = self.held.get(&id);
        held.is_some_and(|held| {
            !held.is_over && held.grant.deadline.is_none_or(|deadline| now < deadline)
        })
    }

    /// Whether that guard is of a slot.
    #[must_use]
    pub fn is_slot(&self, id: GuardId) -> bool {
        let held = self.held.get(&id);
        held.is_some_and(|held| held.grant.mode == Mode::Slot)
    }

    /// Whether something was changed by hand.
    #[must_use]
    pub const fn is_forced(&self) -> bool {
        self.forced.is_some()
    }

    /// Who holds this resource.
    pub fn holders<'a>(
        &'a self,
        clock: impl Fn(usize) -> Moment + 'a,
        resource: &'a Name,
    ) -> impl Iterator<Item = GuardId> + 'a {
        let of = move |(id, held): &(&GuardId, &Held)| {
            held.grant.resource == *resource && held.is_valid(clock(id.0))
        };
        self.held.iter().filter(of).map(|(id, _)| *id)
    }
}

/// Rule L3, on what is stored: no earlier ticket of that lock excludes this one while its session lives.
fn in_order(grant: &Grant, store: &Store) -> Result<(), Violation> {
    let Some(own) = grant.ticket.as_ref().and_then(|base| ticket(base, store)) else {
        return Ok(());
    };
    let lives = |owner: &Option<_>| {
        let (name, uid): &(Name, _) = owner.as_ref()?;
        let session = store.object(name)?;
        (session.lease.uid == *uid).then_some(())
    };
    let earlier = store.objects().filter(|object| {
        object.created < own.created
            && object.lease.labels.get("lock") == own.lease.labels.get("lock")
            && lives(&object.owner).is_some()
    });
    match grant.mode {
        Mode::Alone | Mode::Slot => first(grant, earlier),
        Mode::Shared => first(
            grant,
            earlier.filter(|object| {
                let kind = object.lease.labels.get("kind");
                kind.is_none_or(|kind| &**kind != "reader")
            }),
        ),
        Mode::Few(limit) => first(
            grant,
            earlier.skip(
                usize::try_from(limit)
                    .unwrap_or(usize::MAX)
                    .saturating_sub(1),
            ),
        ),
    }
}

fn first<'a>(
    grant: &Grant,
    mut objects: impl Iterator<Item = &'a crate::store::Object>,
) -> Result<(), Violation> {
    match objects.next() {
        Some(object) => Err(Violation::Order(
            grant.resource.clone(),
            object.lease.name.clone(),
        )),
        None => Ok(()),
    }
}

/// The earliest ticket whose name begins so: each try has a number at its end.
#[must_use]
pub fn ticket<'a>(base: &Name, store: &'a Store) -> Option<&'a crate::store::Object> {
    let tries = store.objects().filter(|object| {
        let rest = object.lease.name.as_str().strip_prefix(base.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    tries.min_by_key(|object| object.created)
}
