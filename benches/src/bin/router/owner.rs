//! Who owns what, said in advance: what the gate asks, with nothing behind it. A slot is found by the frozen hash, as ever.

use std::{
    future::{self, Future},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use metaparticle_protocol::{
    Token, Uid,
    shard::{Claim, Slot, Verdict},
};
use metaparticle_router::{Admission, Ownership, Peer, Place};
use tokio::sync::watch;

const BITS: u32 = 14;
const TOKEN: Token = Token(1);

/// All slots here, or divided among others.
pub(crate) struct Owner {
    session: Uid,
    places: Vec<Place>,
    under_way: Arc<AtomicU64>,
    changes: watch::Sender<u64>,
}

impl Owner {
    /// Of every slot; `index` is which of the owners it is.
    pub(crate) fn of_all(index: usize) -> Self {
        Self::with(session(index), vec![Place::Here])
    }

    /// Of none: they are these others'.
    pub(crate) fn of_none(others: &[SocketAddr]) -> Self {
        let place = |(index, &address): (usize, &SocketAddr)| {
            let peer = Peer {
                pod: format!("owner-{index}").into(),
                session: session(index),
                address: Some(address),
            };
            Place::Peer(Arc::new(peer), TOKEN)
        };
        let places = others.iter().enumerate().map(place).collect();
        Self::with("router".into(), places)
    }

    fn with(session: Uid, places: Vec<Place>) -> Self {
        Self {
            session,
            places,
            under_way: Arc::default(),
            changes: watch::Sender::new(1),
        }
    }
}

fn session(index: usize) -> Uid {
    format!("session-{index}").into()
}

impl Ownership for Owner {
    type Admission = UnderWay;

    fn slot(&self, key: &[u8]) -> Option<Slot> {
        let slot = metaparticle_shard::hash(key) >> (64 - BITS);
        u32::try_from(slot).ok().map(Slot)
    }

    fn find(&self, slot: Slot) -> Place {
        self.places[slot.0 as usize % self.places.len()].clone()
    }

    fn judge(&self, claim: &Claim) -> Verdict {
        if claim.session == self.session && claim.token == TOKEN {
            Verdict::Serve
        } else {
            Verdict::Moved
        }
    }

    fn admit(&self, slot: Slot) -> Option<UnderWay> {
        (self.find(slot) == Place::Here).then(|| {
            self.under_way.fetch_add(1, Ordering::Relaxed);
            UnderWay(Arc::clone(&self.under_way))
        })
    }

    fn session(&self) -> Option<Uid> {
        Some(self.session.clone())
    }

    fn pod(&self) -> Arc<str> {
        "bench".into()
    }

    fn key(&self) -> Option<Arc<[u8]>> {
        Some(Arc::from(&b"the key of a measurement, no secret"[..]))
    }

    fn refresh(&self) -> impl Future<Output = ()> + Send {
        future::ready(())
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// Counted, and never moved.
pub(crate) struct UnderWay(Arc<AtomicU64>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Admission for UnderWay {
    fn token(&self) -> Token {
        TOKEN
    }

    fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        future::pending()
    }

    fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        future::pending()
    }
}
