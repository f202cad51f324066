//! [`run`]: the loop of a controller. Changes become keys, keys are reconciled one by one, and again later if need be. While
//! nothing changes it sleeps.

use std::{fmt::Debug, hash::Hash, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::api::{Api, Change, failure::Failure, resource::Resource};

use super::queue::Queue;

/// Namespace and name of an object to reconcile.
pub(super) type Key = (String, String);

/// The key of the changed object itself.
pub(super) fn key(change: &Change) -> Key {
    (change.namespace.clone(), change.name.clone())
}

/// What a loop runs.
pub(super) trait Controller: Send {
    /// What is reconciled.
    type Key: Clone + Debug + Eq + Hash + Send;

    /// The kinds whose changes matter.
    fn watches(&self) -> Vec<&'static Resource>;

    /// Which objects a change concerns.
    fn keys(&mut self, api: &Api, change: &Change) -> Vec<Self::Key>;

    /// Reads, decides, acts. Says when to come again if nothing changes; a failure is tried again with growing delay.
    fn reconcile(&mut self, api: &Api, key: &Self::Key) -> Result<Option<Duration>, Failure>;
}

/// After the first change, how long others may join it, at least: a thousand pods are not counted a thousand times.
const SETTLE: Duration = Duration::from_millis(1);

/// Runs a controller for ever.
pub(super) async fn run(api: Api, mut controller: impl Controller) {
    let mut changes = api.changes(&controller.watches());
    let mut queue = Queue::new();
    let mut settled = Instant::now();
    let mut took = Duration::ZERO;
    loop {
        let due = async {
            sleep_until(settled).await;
            queue.next().await
        };
        // Changes first: what comes together is reconciled once.
        tokio::select! {
            biased;
            change = changes.next() => {
                if queue.is_idle() {
                    // Who takes long to look waits as long for more to see.
                    settled = Instant::now() + took.max(SETTLE);
                }
                for key in controller.keys(&api, &change) {
                    queue.add(key);
                }
            }
            key = due => {
                let begin = Instant::now();
                match controller.reconcile(&api, &key) {
                    Ok(again) => queue.done(key, again),
                    Err(failure) => {
                        tracing::debug!(?key, error = %failure.message, "will try again");
                        queue.failed(key);
                    }
                }
                took = begin.elapsed();
            }
        }
        tokio::task::yield_now().await;
    }
}
