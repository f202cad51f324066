//! The guard word: what a [`Keeper`] (the driver) and a [`Held`] (inside a term or a lock guard) share of one incarnation.
//!
//! Valid means: the deadline of the last acknowledged write has not come (T1), and nobody said otherwise. Invalid is
//! final. Asking costs two clock reads and an atomic load; nothing here asks the API server.

mod state;

/// The atomics that [`state`] uses; a test puts its own in their place.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
}

use std::{
    fmt,
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::future::{Either, select};
use metaparticle_protocol::Moment;
use tokio::sync::Notify;

use self::state::State;
use crate::{
    clock::{Clock, nanos},
    lost::Lost,
};

struct Shared {
    clock: Clock,
    state: State,
    /// Why; set before the state becomes invalid by anything but time.
    why: OnceLock<Lost>,
    /// Woken when it becomes invalid, and when the last permit comes back.
    changed: Notify,
}

impl Shared {
    fn now(&self) -> u64 {
        self.clock.nanos()
    }

    fn lost(&self) -> Lost {
        self.why.get_or_init(|| Lost::Expired).clone()
    }

    fn end(&self, why: Lost, ends: impl FnOnce(&State) -> bool) {
        let _ = self.why.set(why);
        ends(&self.state);
        self.changed.notify_waiters();
    }

    /// Waits until `check` says no.
    async fn invalid(&self, check: impl Fn(&State, u64) -> Option<u64>) -> Lost {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let Some(deadline) = check(&self.state, self.now()) else {
                return self.lost();
            };
            let deadline = Moment::new(Duration::from_nanos(deadline));
            select(changed, pin!(self.clock.sleep_until(deadline))).await;
        }
    }

    /// Waits until no permit is out.
    async fn drained(&self) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.state.permits() == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// The driver's side of an incarnation. Dropped without a word, as at the end of the runtime, it ends the incarnation.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
}

/// A new incarnation, valid until `deadline`.
pub(crate) fn incarnation(clock: Clock, deadline: Moment) -> (Keeper, Held) {
    let shared = Arc::new(Shared {
        clock,
        state: State::new(nanos(deadline.since_zero()).max(1)),
        why: OnceLock::new(),
        changed: Notify::new(),
    });
    let held = Held {
        shared: Arc::clone(&shared),
    };
    (Keeper { shared }, held)
}

impl Keeper {
    /// A write was acknowledged that is good until `deadline`. `false`: too late, the incarnation has ended for good.
    pub(crate) fn extend(&self, deadline: Moment) -> bool {
        let extended = self
            .shared
            .state
            .extend(self.shared.now(), nanos(deadline.since_zero()));
        if !extended {
            self.shared.changed.notify_waiters();
        }
        extended
    }

    /// Ends guards; permits that are out stay valid until the deadline, which [`extend`](Self::extend) still moves (E4).
    pub(crate) fn close(&self, why: Lost) {
        self.shared.end(why, State::close);
    }

    /// Ends guards and permits.
    pub(crate) fn invalidate(&self, why: Lost) {
        self.shared.end(why, State::invalidate);
    }

    /// Whether guards are valid.
    pub(crate) fn is_valid(&self) -> bool {
        self.shared.state.check(self.shared.now()).is_some()
    }

    /// How many permits are out.
    pub(crate) fn permits(&self) -> usize {
        self.shared.state.permits()
    }

    /// Waits until no guard is valid, also by time.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) fn ended(&self) -> impl Future<Output = Lost> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move { shared.invalid(State::check).await }
    }

    /// Waits until no permit is out. Only after [`close`](Self::close) or [`invalidate`](Self::invalidate) does it stay so.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) fn drained(&self) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move { shared.drained().await }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Nobody renews any more. What was acknowledged is good until its deadline: permits go on, guards end.
        self.close(Lost::Shutdown);
    }
}

/// A guard's side: what a `Term`, a lock guard and their `Drop` call.
#[derive(Clone)]
pub(crate) struct Held {
    shared: Arc<Shared>,
}

impl Held {
    /// Whether it is valid now.
    pub(crate) fn check(&self) -> Result<(), Lost> {
        match self.shared.state.check(self.shared.now()) {
            Some(_) => Ok(()),
            None => Err(self.shared.lost()),
        }
    }

    /// When it ends, unless it is renewed; `None` if it has ended.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let deadline = self.shared.state.check(self.shared.now())?;
        Some(Moment::new(Duration::from_nanos(deadline)))
    }

    /// How long it stays valid without another renewal; zero if it is not.
    pub(crate) fn remaining(&self) -> Duration {
        let now = self.shared.now();
        let deadline = self.shared.state.check(now).unwrap_or(now);
        Duration::from_nanos(deadline - now)
    }

    /// Waits until it is not valid.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn lost(&self) -> Lost {
        self.shared.invalid(State::check).await
    }

    /// As [`Keeper::drained`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn drained(&self) {
        self.shared.drained().await;
    }

    /// Runs `work` while it is valid, and drops it as soon as it is not. `Ok` means that it was valid until `work` ended.
    ///
    /// # Cancel safety
    /// As cancel safe as `work`.
    pub(crate) async fn guarded<T>(&self, work: impl Future<Output = T>) -> Result<T, Lost> {
        // Asked first at each poll: also after a pause, `work` gets no turn past the deadline.
        let mut lost = pin!(self.lost());
        let mut work = pin!(work);
        match select(lost.as_mut(), work.as_mut()).await {
            Either::Left((lost, _)) => Err(lost),
            Either::Right((output, _)) => self.check().map(|()| output),
        }
    }

    /// A permit: work that outlives the guard's validity, and that a release waits for.
    pub(crate) fn permit(&self) -> Result<Permit, Lost> {
        if self.shared.state.permit(self.shared.now()) {
            Ok(Permit {
                shared: Arc::clone(&self.shared),
            })
        } else {
            // The keeper may have counted this try.
            self.shared.changed.notify_waiters();
            Err(self.shared.lost())
        }
    }

    /// Ends guards and permits: something was seen that proves a later holder. For the fenced client.
    pub(crate) fn lose(&self, why: Lost) {
        self.shared.end(why, State::invalidate);
    }

    /// The guard is given back: it and its copies end; permits go on. For `Drop`: never waits, needs no runtime.
    pub(crate) fn close(&self, why: Lost) {
        self.shared.end(why, State::close);
    }
}

/// A share in a term or a lock for work that is under way: whoever gives the lock back waits until all its permits are
/// dropped, or until the drain deadline.
///
/// It stays valid until then, also after the guard that gave it ended in good order; not longer than the lease.
#[must_use = "dropping it says that the work is done"]
pub struct Permit {
    shared: Arc<Shared>,
}

impl Permit {
    /// Whether what was begun may still go on.
    ///
    /// # Errors
    /// [`Lost`], for ever after.
    pub fn check(&self) -> Result<(), Lost> {
        match self.shared.state.check_permit(self.shared.now()) {
            Some(_) => Ok(()),
            None => Err(self.shared.lost()),
        }
    }

    /// Waits until it is not valid.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn lost(&self) -> Lost {
        self.shared.invalid(State::check_permit).await
    }

    /// Whether the guard that gave it has ended, so that what is under way should come to its end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.state.check(self.shared.now()).is_none()
    }
}

impl Clone for Permit {
    fn clone(&self) -> Self {
        self.shared.state.copy_permit();
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.shared.state.return_permit() {
            self.shared.changed.notify_waiters();
        }
    }
}

macro_rules! debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let valid = self.shared.state.check(self.shared.now()).is_some();
                f.debug_struct(stringify!($name))
                    .field("valid", &valid)
                    .field("permits", &self.shared.state.permits())
                    .finish()
            }
        }
    )*};
}

debug!(Keeper, Held, Permit);

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(10);

    fn held() -> (Clock, Keeper, Held) {
        let clock = Clock::of_runtime();
        let (keeper, held) = incarnation(clock, clock.now() + LEASE);
        (clock, keeper, held)
    }

    #[tokio::test(start_paused = true)]
    async fn guard_expires_at_its_deadline_without_anyones_help() {
        let (clock, _keeper, held) = held();
        let begin = clock.now();
        assert_eq!(held.check(), Ok(()));
        assert_eq!(held.lost().await, Lost::Expired);
        assert_eq!(clock.now().since(begin).as_secs(), LEASE.as_secs());
        assert_eq!(held.check(), Err(Lost::Expired));
        assert_eq!(held.remaining(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn acknowledgement_after_the_deadline_revives_nobody() {
        let (clock, keeper, held) = held();
        assert!(keeper.extend(clock.now() + LEASE * 2));
        tokio::time::advance(LEASE * 2).await;
        assert!(!keeper.extend(clock.now() + LEASE));
        assert_eq!(held.check(), Err(Lost::Expired));
        assert!(held.permit().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_loss_follows_the_renewals() {
        let (clock, keeper, held) = held();
        let begin = clock.now();
        let lost = tokio::spawn({
            let held = held.clone();
            async move { held.lost().await }
        });
        tokio::time::advance(LEASE / 2).await;
        assert!(keeper.extend(begin + LEASE * 3));
        tokio::time::advance(LEASE).await;
        assert!(!lost.is_finished());
        assert_eq!(lost.await.unwrap(), Lost::Expired);
        assert_eq!(clock.now().since(begin).as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn first_reason_stands() {
        let (_, keeper, held) = held();
        keeper.invalidate(Lost::Deleted);
        keeper.invalidate(Lost::Released);
        held.close(Lost::Shutdown);
        assert_eq!(held.lost().await, Lost::Deleted);
    }

    #[tokio::test(start_paused = true)]
    async fn release_waits_for_permits_which_outlive_the_guard() {
        let (clock, keeper, held) = held();
        let permit = held.permit().unwrap();
        let copy = permit.clone();
        held.close(Lost::Released);
        assert_eq!(held.check(), Err(Lost::Released));
        assert!(held.permit().is_err());
        assert_eq!(permit.check(), Ok(()));
        assert!(permit.is_draining());
        let mut drained = pin!(keeper.drained());
        assert!(futures::poll!(drained.as_mut()).is_pending());
        assert!(keeper.extend(clock.now() + LEASE * 2));
        tokio::time::advance(LEASE).await;
        assert_eq!(permit.check(), Ok(()));
        drop(permit);
        assert!(futures::poll!(drained.as_mut()).is_pending());
        drop(copy);
        assert!(futures::poll!(drained).is_ready());
        assert_eq!(keeper.permits(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn permit_ends_with_the_lease_and_at_once_when_it_is_taken() {
        let (_, keeper, held) = held();
        let permit = held.permit().unwrap();
        held.close(Lost::Released);
        tokio::time::advance(LEASE).await;
        assert_eq!(permit.check(), Err(Lost::Released));
        let (clock, other, held) = self::held();
        let permit = held.permit().unwrap();
        other.invalidate(Lost::Deleted);
        assert_eq!(permit.lost().await, Lost::Deleted);
        assert!(!other.extend(clock.now() + LEASE * 2));
        drop(keeper);
    }

    #[tokio::test(start_paused = true)]
    async fn guarded_work_is_dropped_at_the_deadline_and_gets_no_turn_after_it() {
        struct Dropped(Arc<OnceLock<Moment>>, Clock);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.set(self.1.now()).unwrap();
            }
        }
        let (clock, _keeper, held) = held();
        let begin = clock.now();
        assert_eq!(held.guarded(async { 7 }).await, Ok(7));
        let at = Arc::new(OnceLock::new());
        let dropped = Dropped(Arc::clone(&at), clock);
        let work = async move {
            let _dropped = dropped;
            std::future::pending::<()>().await;
        };
        assert_eq!(held.guarded(work).await, Err(Lost::Expired));
        assert_eq!(at.get().unwrap().since(begin).as_secs(), LEASE.as_secs());
        let turn = held.guarded(async { panic!("a turn after the deadline") });
        assert_eq!(turn.await, Err::<(), _>(Lost::Expired));
    }

    #[tokio::test(start_paused = true)]
    async fn guarded_work_that_ends_past_the_deadline_does_not_count() {
        let (_, _keeper, held) = held();
        let work = async { tokio::time::advance(LEASE).await };
        assert_eq!(held.guarded(work).await, Err(Lost::Expired));
    }

    #[test]
    fn guards_end_with_their_keeper_and_outside_of_a_runtime() {
        let clock = Clock::system();
        let (keeper, held) = incarnation(clock, clock.now() + LEASE);
        let permit = held.permit().unwrap();
        drop(keeper);
        assert_eq!(held.check(), Err(Lost::Shutdown));
        assert_eq!(permit.check(), Ok(()));
        held.close(Lost::Released);
        drop((held, permit));
    }

    #[test]
    fn incarnations_have_nothing_to_do_with_each_other() {
        let clock = Clock::system();
        let (first, old) = incarnation(clock, clock.now() + LEASE);
        first.invalidate(Lost::Released);
        let (second, new) = incarnation(clock, clock.now() + LEASE);
        assert!(second.is_valid());
        assert_eq!(new.check(), Ok(()));
        assert_eq!(old.check(), Err(Lost::Released));
    }
}
