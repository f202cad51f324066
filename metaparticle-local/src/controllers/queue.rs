//! [`Queue`]: keys that wait to be reconciled; each once, some later.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    future,
    hash::Hash,
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// The delay after the first failure; it doubles with each.
const FIRST_DELAY: Duration = Duration::from_millis(5);
/// The longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(1000);

/// Keys to reconcile.
#[derive(Debug)]
pub(super) struct Queue<K> {
    ready: VecDeque<K>,
    queued: HashSet<K>,
    /// When, and the how many-th it was to be told so: what is due at once comes in that order.
    later: HashMap<K, (Instant, u64)>,
    told: u64,
    failures: HashMap<K, u32>,
}

impl<K: Clone + Eq + Hash> Queue<K> {
    pub(super) fn new() -> Self {
        Self {
            ready: VecDeque::new(),
            queued: HashSet::new(),
            later: HashMap::new(),
            told: 0,
            failures: HashMap::new(),
        }
    }

    /// Adds a key, unless it waits already.
    pub(super) fn add(&mut self, key: K) {
        if self.queued.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    /// Whether no key is due at once.
    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty()
    }

    /// Notes that a key was reconciled, and when it is due again by itself.
    pub(super) fn done(&mut self, key: K, again: Option<Duration>) {
        self.failures.remove(&key);
        match again {
            Some(delay) => self.after(key, delay),
            None => drop(self.later.remove(&key)),
        }
    }

    /// Notes that it failed: it is due again after a delay that doubles.
    pub(super) fn failed(&mut self, key: K) {
        let failures = self.failures.entry(key.clone()).or_default();
        let delay = FIRST_DELAY
            .saturating_mul(1 << (*failures).min(20))
            .min(LONGEST_DELAY);
        *failures += 1;
        self.after(key, delay);
    }

    fn after(&mut self, key: K, delay: Duration) {
        self.told += 1;
        self.later.insert(key, (Instant::now() + delay, self.told));
    }

    /// The next key that is due. For ever, if none is.
    ///
    /// # Cancel safety
    /// A key is taken only when it is returned.
    pub(super) async fn next(&mut self) -> K {
        if self.ready.is_empty() {
            match self.later.iter().min_by_key(|(_, due)| *due) {
                Some((key, (due, _))) => {
                    let (key, due) = (key.clone(), *due);
                    sleep_until(due).await;
                    self.later.remove(&key);
                    return key;
                }
                None => future::pending::<()>().await,
            }
        }
        let key = self
            .ready
            .pop_front()
            .expect("not empty, or it waits for ever");
        self.queued.remove(&key);
        self.later.remove(&key);
        key
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    fn key(name: &str) -> String {
        name.to_owned()
    }

    async fn due_within(queue: &mut Queue<String>, millis: u64) -> Option<String> {
        let next = timeout(Duration::from_millis(millis), queue.next()).await;
        next.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_waits_is_not_added_again() {
        let mut queue = Queue::new();
        queue.add(key("a"));
        queue.add(key("b"));
        queue.add(key("a"));
        assert_eq!(due_within(&mut queue, 0).await.as_deref(), Some("a"));
        assert_eq!(due_within(&mut queue, 0).await.as_deref(), Some("b"));
        assert_eq!(due_within(&mut queue, 1_000_000).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_comes_again_when_it_said_unless_the_next_time_says_otherwise() {
        let mut queue = Queue::new();
        queue.done(key("a"), Some(Duration::from_secs(5)));
        assert_eq!(due_within(&mut queue, 4_990).await, None);
        assert_eq!(due_within(&mut queue, 20).await.as_deref(), Some("a"));
        queue.done(key("a"), Some(Duration::from_secs(5)));
        queue.done(key("a"), None);
        assert_eq!(due_within(&mut queue, 1_000_000).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_tried_again_with_a_delay_that_doubles() {
        let mut queue = Queue::new();
        for delay in [5, 10, 20, 40] {
            queue.failed(key("a"));
            assert_eq!(due_within(&mut queue, delay - 1).await, None);
            assert_eq!(due_within(&mut queue, 3).await.as_deref(), Some("a"));
        }
        queue.done(key("a"), None);
        queue.failed(key("a"));
        assert_eq!(due_within(&mut queue, 8).await.as_deref(), Some("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_brings_a_key_at_once_however_often_it_failed() {
        let mut queue = Queue::new();
        for _ in 0..30 {
            queue.failed(key("a"));
        }
        queue.add(key("a"));
        assert_eq!(due_within(&mut queue, 0).await.as_deref(), Some("a"));
    }
}
