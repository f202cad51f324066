//! [`Office`]: does what the [`Assigner`] of this process wants done, and tells it when this process is elected.

use std::{collections::HashMap, sync::Arc, time::Duration};

use metaparticle_protocol::{
    Name, Reply, Request, Watch,
    shard::{
        Assigner,
        api::Sight as MapSight,
        assigner::{Action, Input},
    },
};
use tokio::sync::Notify;

use super::store::Maps;
use crate::{
    coordinator::Coordinator,
    drive::{Context, Driver, Inbox, Watching},
    election::{Election, Term},
    error::Error,
    part::Part,
    random,
    session::Session,
    store::Store,
    suspects::Suspects,
};

/// So many of a numbered set of pods contend.
const CANDIDATES: u32 = 5;
/// So many owners' pods are watched, at most: beyond, their sessions are waited for.
const SUSPECTS: usize = 100;

pub(super) struct Office {
    pub(super) coordinator: Coordinator,
    pub(super) maps: Maps,
    pub(super) part: Arc<Part>,
    pub(super) session: Arc<Session>,
    pub(super) watches: HashMap<Watch, Watching>,
    pub(super) suspects: Suspects,
    /// The term is to end.
    pub(super) over: Arc<Notify>,
}

impl Driver for Office {
    type Machine = Assigner;

    fn act(&mut self, action: Action, context: &mut Context<Input>) {
        match action {
            Action::Send {
                call,
                request,
                within,
            } => context.call(self.coordinator.store(), request, within, move |reply| {
                Input::Reply(call, reply)
            }),
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
            Action::Watch { watch, by } => {
                let part = Arc::clone(&self.part);
                let watching = context.watch(self.coordinator.store(), &by, move |seen| {
                    let sight = seen.unwrap_or_else(|refusal| {
                        part.trouble(Some(refusal.to_string().into()));
                        metaparticle_protocol::Sight::Lost
                    });
                    Input::Saw(watch, sight)
                });
                self.watches.insert(watch, watching);
            }
            Action::WatchMap { watch } => {
                // What is refused, the steward says.
                let sights = self.maps.watch(context.clock());
                let blind =
                    |seen: &Result<MapSight, _>| matches!(seen, Ok(MapSight::Lost) | Err(_));
                let watching = context.follow(sights, blind, move |seen| {
                    Input::SawMap(watch, seen.unwrap_or(MapSight::Lost))
                });
                self.watches.insert(watch, watching);
            }
            Action::Unwatch { watch } => drop(self.watches.remove(&watch)),
            Action::Superseded => self.over.notify_one(),
            Action::RolledBack => {
                self.over.notify_one();
                self.session.rolled_back();
            }
            Action::Refused(why) => self.part.trouble(Some(why)),
        }
    }

    fn settled(&mut self, machine: &Assigner, context: &mut Context<Input>) -> bool {
        let suspects = machine.suspects().take(SUSPECTS);
        let client = self.coordinator.store().client();
        self.suspects
            .follow(suspects, client, context, Input::Proven);
        true
    }
}

/// Waits until this process is to contend: at once if it is one of the first few of a numbered set of pods, or if its name
/// tells no number; the others when nobody has renewed the election's Lease for long. Each that contends follows the
/// sessions of all (M7), so that a thousand of them would see a hundred thousand events a second.
pub(super) async fn stand_by(store: Store, pod: Arc<str>, election: Name, lease: Duration) {
    if ordinal(&pod).is_none_or(|ordinal| ordinal < CANDIDATES) {
        return;
    }
    let mut last = None;
    loop {
        tokio::time::sleep(lease.mul_f64(random::share(2.0, 3.0))).await;
        let name = election.clone();
        let now = match store.call(Request::Get { name }, lease / 3).await {
            Reply::Is(lease) => Some(lease.version),
            Reply::Absent => None,
            // Nobody knows.
            _ => continue,
        };
        if last == Some(now) {
            tracing::warn!(rule = "M7", %election, "nobody assigns shards: this process contends");
            return;
        }
        last = Some(now);
    }
}

/// Of a pod of a `StatefulSet`.
fn ordinal(pod: &str) -> Option<u32> {
    pod.rsplit_once('-')?.1.parse().ok()
}

/// Contends for as long as the coordinator runs, and tells the assigner of its terms.
pub(super) async fn contend(election: Election, inbox: Inbox<Input>, over: Arc<Notify>) {
    let _ = inbox.send(Input::Start);
    loop {
        match election.campaign().await {
            Ok(term) => lead(&election, term, &inbox, &over).await,
            Err(Error::Shutdown) => return,
            // The election's own health says what is wrong.
            Err(_) => tokio::time::sleep(election.budget().lease).await,
        }
    }
}

async fn lead(election: &Election, term: Term, inbox: &Inbox<Input>, over: &Notify) {
    let Some(until) = term.deadline() else {
        return;
    };
    let token = term.fencing();
    let _ = inbox.send(Input::Lead { token, until });
    let every = election.budget().renew_every / 4;
    loop {
        tokio::select! {
            biased;
            _ = term.lost() => break,
            () = over.notified() => break,
            () = tokio::time::sleep(every.max(Duration::from_millis(10))) => {
                if let Some(until) = term.deadline() {
                    let _ = inbox.send(Input::Extend { until });
                }
            }
        }
    }
    let _ = inbox.send(Input::Rest);
    // Nothing is sent any more when the next one may lead.
    inbox.is_taken().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_a_set_have_a_number() {
        assert_eq!(ordinal("users-0"), Some(0));
        assert_eq!(ordinal("my-users-12"), Some(12));
        assert_eq!(ordinal("users-5cf794b784-m6zc6"), None);
        assert_eq!(ordinal("laptop"), None);
    }
}
