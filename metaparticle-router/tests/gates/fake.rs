//! Processes whose ownership the test decides, and gates for them.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use metaparticle_protocol::{
    Token, Uid,
    shard::{
        Claim, Slot, Verdict,
        gate::{Here, verdict},
    },
};
use metaparticle_router::{Admission, Config, Gate, KeySource, Ownership, Peer, Place};
use tokio::sync::watch;

/// The slot of a key of one digit.
pub(crate) fn slot(digit: u32) -> Slot {
    Slot(digit)
}

/// A process, as its gate asks it.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pod: &'static str,
    session: Mutex<Option<Uid>>,
    key: Mutex<Option<Arc<[u8]>>>,
    slots: Mutex<HashMap<Slot, Entry>>,
    changed: watch::Sender<u64>,
    pub(crate) refreshed: AtomicUsize,
    /// What a consistent read of the map will show.
    pub(crate) news: Mutex<Vec<(Slot, Place, u64)>>,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    token: Token,
    under_way: Arc<Served>,
}

/// One time of serving a slot.
#[derive(Debug, Default)]
struct Served {
    open: watch::Sender<usize>,
    draining: watch::Sender<bool>,
    lost: watch::Sender<bool>,
}

#[derive(Debug)]
pub(crate) struct UnderWay {
    token: Token,
    served: Arc<Served>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.served.open.send_modify(|open| *open -= 1);
    }
}

impl Admission for UnderWay {
    fn token(&self) -> Token {
        self.token
    }

    fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        raised(self.served.draining.subscribe())
    }

    fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        raised(self.served.lost.subscribe())
    }
}

async fn raised(mut flag: watch::Receiver<bool>) {
    if flag.wait_for(|raised| *raised).await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Process {
    pub(crate) fn new(pod: &'static str) -> Arc<Self> {
        Arc::new(Self {
            pod,
            session: Mutex::new(Some(format!("session-of-{pod}").as_str().into())),
            key: Mutex::new(Some(Arc::from(&b"the key of the application"[..]))),
            slots: Mutex::default(),
            changed: watch::Sender::new(0),
            refreshed: AtomicUsize::new(0),
            news: Mutex::default(),
        })
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Slot, Entry>> {
        self.slots.lock().unwrap()
    }

    pub(crate) fn with_session(&self, session: Option<&str>) {
        *self.session.lock().unwrap() = session.map(Into::into);
    }

    pub(crate) fn with_key(&self, key: Option<&[u8]>) {
        *self.key.lock().unwrap() = key.map(Into::into);
    }

    /// Serves the slot from now on.
    pub(crate) fn serves(&self, slot: Slot, token: u64) {
        let known = |it: &Entry| it.place == Place::Here && it.token == Token(token);
        if self.slots().get(&slot).is_some_and(known) {
            return;
        }
        let entry = Entry {
            place: Place::Here,
            token: Token(token),
            under_way: Arc::default(),
        };
        self.slots().insert(slot, entry);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Sees it there.
    pub(crate) fn sees(&self, slot: Slot, place: Place) {
        let token = match &place {
            Place::Peer(_, token) => *token,
            _ => self.slots().get(&slot).map_or(Token(0), |it| it.token),
        };
        let entry = Entry {
            place,
            token,
            under_way: Arc::default(),
        };
        self.slots().insert(slot, entry);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Gives the slot away: returns when nothing is under way.
    pub(crate) async fn drains(&self, slot: Slot) {
        let served = {
            let mut slots = self.slots();
            let entry = slots.get_mut(&slot).expect("a slot that is served");
            entry.place = Place::Draining;
            entry.under_way.clone()
        };
        self.changed.send_modify(|count| *count += 1);
        served.draining.send_replace(true);
        let mut open = served.open.subscribe();
        open.wait_for(|open| *open == 0).await.unwrap();
    }

    /// Begins to give the slot away.
    pub(crate) fn begins_to_drain(&self, slot: Slot) {
        {
            let mut slots = self.slots();
            let entry = slots.get_mut(&slot).expect("a slot that is served");
            entry.place = Place::Draining;
            entry.under_way.draining.send_replace(true);
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Does not serve the slot any more, whatever is under way.
    pub(crate) fn loses(&self, slot: Slot) {
        self.gives_up(slot, Place::Unproven);
    }

    /// The same, and sees it there.
    pub(crate) fn gives_up(&self, slot: Slot, place: Place) {
        let served = self.slots()[&slot].under_way.clone();
        self.sees(slot, place);
        served.lost.send_replace(true);
    }

    /// Requests for the slot that are under way.
    pub(crate) fn under_way(&self, slot: Slot) -> watch::Receiver<usize> {
        self.slots()[&slot].under_way.open.subscribe()
    }

    /// How others see its slots.
    pub(crate) fn peer(&self, address: SocketAddr) -> Arc<Peer> {
        Arc::new(Peer {
            pod: self.pod.into(),
            session: self.session().expect("a session"),
            address: Some(address),
        })
    }
}

impl Ownership for Process {
    type Admission = UnderWay;

    fn slot(&self, key: &[u8]) -> Option<Slot> {
        let digit = str::from_utf8(key).ok()?.parse().ok()?;
        Some(Slot(digit))
    }

    fn find(&self, slot: Slot) -> Place {
        let slots = self.slots();
        slots.get(&slot).map_or(Place::NoMap, |it| it.place.clone())
    }

    fn judge(&self, claim: &Claim) -> Verdict {
        let slots = self.slots();
        let here = slots
            .get(&claim.slot)
            .map_or(Here::Elsewhere(None), |entry| match &entry.place {
                Place::Here => Here::Serving(entry.token),
                Place::Draining => Here::Draining(entry.token),
                Place::Unproven => Here::Unproven(entry.token),
                Place::Peer(_, token) => Here::Elsewhere(Some(*token)),
                Place::Nobody | Place::NoMap => Here::Elsewhere(None),
            });
        verdict(claim, self.session().as_ref(), here)
    }

    fn admit(&self, slot: Slot) -> Option<UnderWay> {
        let slots = self.slots();
        let entry = slots.get(&slot).filter(|it| it.place == Place::Here)?;
        entry.under_way.open.send_modify(|open| *open += 1);
        Some(UnderWay {
            token: entry.token,
            served: entry.under_way.clone(),
        })
    }

    fn session(&self) -> Option<Uid> {
        self.session.lock().unwrap().clone()
    }

    fn pod(&self) -> Arc<str> {
        self.pod.into()
    }

    fn key(&self) -> Option<Arc<[u8]>> {
        self.key.lock().unwrap().clone()
    }

    async fn refresh(&self) {
        self.refreshed.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        let news = std::mem::take(&mut *self.news.lock().unwrap());
        for (slot, place, token) in news {
            match place {
                Place::Here => self.serves(slot, token),
                place => self.sees(slot, place),
            }
        }
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

/// A gate for requests to `/users/<digit>`.
pub(crate) fn gate(process: &Arc<Process>, app: SocketAddr, config: Config) -> Gate {
    let keys = KeySource::path("/users/{id}/*").unwrap();
    let two = std::num::NonZeroUsize::new(2).unwrap();
    Gate::builder(process.clone(), app, keys, config)
        .threads(two)
        .start("127.0.0.1:0".parse().unwrap())
        .unwrap()
}
