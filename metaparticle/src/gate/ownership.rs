//! [`Owned`]: what coordination knows of the shards, as the gate asks for it.

use std::{net::SocketAddr, sync::Arc};

use metaparticle_coordination::{
    Permit,
    shards::{self, Claim, Guard, Shards, Slot, Verdict},
};
use metaparticle_protocol::{Token, Uid};
use metaparticle_router::{Admission, Ownership, Peer, Place};
use tokio::sync::watch;

/// The shards of this process.
#[derive(Clone, Debug)]
pub(super) struct Owned(pub(super) Shards);

impl Ownership for Owned {
    type Admission = Admitted;

    fn slot(&self, key: &[u8]) -> Option<Slot> {
        self.0.slot(key)
    }

    fn find(&self, slot: Slot) -> Place {
        match self.0.find(slot) {
            shards::Place::Here => Place::Here,
            shards::Place::Draining => Place::Draining,
            shards::Place::Peer(peer) => {
                let token = peer.token;
                Place::Peer(Arc::new(addressed(peer)), token)
            }
            shards::Place::Unproven => Place::Unproven,
            shards::Place::NoMap => Place::NoMap,
            // And what a later version may tell apart.
            _ => Place::Nobody,
        }
    }

    fn judge(&self, claim: &Claim) -> Verdict {
        self.0.judge(claim)
    }

    fn admit(&self, slot: Slot) -> Option<Admitted> {
        let guard = self.0.guard_of(slot).ok()?;
        let permit = Arc::new(guard.permit().ok()?);
        Some(Admitted { guard, permit })
    }

    fn session(&self) -> Option<Uid> {
        self.0.session()
    }

    fn pod(&self) -> Arc<str> {
        self.0.pod()
    }

    fn key(&self) -> Option<Arc<[u8]>> {
        self.0.key()
    }

    async fn refresh(&self) {
        self.0.refresh().await;
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed()
    }
}

fn addressed(peer: shards::Peer) -> Peer {
    Peer {
        pod: peer.pod,
        session: peer.session,
        address: peer.address.parse::<SocketAddr>().ok(),
    }
}

/// A request that is under way: its slot does not move before it has ended.
pub(super) struct Admitted {
    guard: Guard,
    permit: Arc<Permit>,
}

impl Admission for Admitted {
    fn token(&self) -> Token {
        Token(self.guard.token())
    }

    fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        let guard = self.guard.clone();
        async move {
            guard.lost().await;
        }
    }

    fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        let permit = Arc::clone(&self.permit);
        async move {
            permit.lost().await;
        }
    }
}
