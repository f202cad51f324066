//! [`Hold`]: requests that wait for a slot that moves, within limits of number and bytes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Room for requests that wait.
#[derive(Debug)]
pub(crate) struct Hold {
    most_requests: usize,
    most_bytes: usize,
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

impl Hold {
    /// Room for so many.
    pub(crate) fn new(most_requests: usize, most_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            most_requests,
            most_bytes,
            requests: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        })
    }

    /// A place for a request of which so many bytes are kept; none if there is no room.
    pub(crate) fn enter(self: &Arc<Self>, bytes: usize) -> Option<Held> {
        // Taken first, so that each early return gives back what it took.
        let held = Held {
            hold: self.clone(),
            bytes,
        };
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (requests <= self.most_requests && bytes <= self.most_bytes).then_some(held)
    }
}

/// A request that waits.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub(crate) struct Held {
    hold: Arc<Hold>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.hold.requests.fetch_sub(1, Ordering::Relaxed);
        self.hold.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_also_when_there_was_none() {
        let hold = Hold::new(2, 100);
        let first = hold.enter(40).unwrap();
        assert!(hold.enter(61).is_none(), "bytes");
        let second = hold.enter(60).unwrap();
        assert!(hold.enter(0).is_none(), "requests");
        drop((first, second));
        assert!(hold.enter(100).is_some());
    }
}
