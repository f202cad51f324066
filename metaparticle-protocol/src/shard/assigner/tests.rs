//! What an assigner writes, step by step.

use super::*;
use crate::{
    Budget, Lease, Request, Sight, Spec, Stamp,
    shard::{
        SlotCount,
        api::{Reply, Stored},
    },
};

const LEASE: Duration = Duration::from_secs(15);
const SLOTS: u32 = 32;

struct Bench {
    assigner: Assigner,
    now: Moment,
    version: u64,
    seen: u64,
    said: Vec<Action>,
}

fn session(name: &str, version: u64, seconds: u64) -> Lease {
    Lease {
        name: format!("{name}-x").into(),
        uid: format!("u-{name}").into(),
        version: Version(version),
        spec: Spec {
            holder: Some(format!("{name}-x").into()),
            duration: Some(Duration::from_secs(seconds)),
            acquired: Some(Stamp(1)),
            ..Spec::default()
        },
        annotations: BTreeMap::from([(key::SHARDS, "shards".into()), (key::POD, name.into())]),
        labels: BTreeMap::new(),
        deleting: false,
    }
}

impl Bench {
    /// It leads, and sees these sessions.
    fn new(sessions: Vec<Lease>) -> Self {
        let budget = Budget::try_new(LEASE).expect("valid");
        let mut config = Config::new("shards".into(), "me".into(), budget);
        config.slots = SlotCount::try_new(SLOTS).expect("a power of two");
        let mut bench = Self {
            assigner: Assigner::new(config, Mutants::NONE),
            now: Moment::new(Duration::from_secs(100)),
            version: 10,
            seen: 10,
            said: Vec::new(),
        };
        bench.input(Input::Start);
        let watch = bench.assigner.sessions.expect("it watches");
        bench.input(Input::Saw(watch, Sight::Listed(sessions, Version(10))));
        let (token, until) = (Token(5), bench.now + LEASE * 100);
        bench.input(Input::Lead { token, until });
        bench
    }

    /// It has created the map and given all slots; then one more came.
    fn assigned(names: &[&str]) -> Self {
        let sessions = names.iter().map(|name| session(name, 1, 15));
        let mut bench = Self::new(sessions.collect());
        bench.answer(Reply::Absent);
        bench.pass(Duration::from_secs(10));
        for name in names {
            bench.see(session(name, 0, 16));
        }
        bench.pass(Duration::from_secs(6));
        bench.done();
        bench.done();
        bench.see(session("z", 0, 16));
        bench
    }

    fn input(&mut self, input: Input) {
        let actions = self.assigner.step(self.now, input);
        self.said.extend(actions);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let actions = self.assigner.tick(self.now);
        self.said.extend(actions);
    }

    /// The request about the map that is under way.
    fn asked(&mut self) -> Option<(Call, api::Request)> {
        let asks = |action: &Action| matches!(action, Action::Ask { .. });
        let index = self.said.iter().position(asks)?;
        match self.said.remove(index) {
            Action::Ask { call, request, .. } => Some((call, request)),
            _ => None,
        }
    }

    fn answer(&mut self, reply: Reply) -> api::Request {
        let (call, request) = self.asked().expect("something is asked");
        self.input(Input::Answer(call, reply));
        request
    }

    /// The write is done. Answers the map that it made.
    fn done(&mut self) -> Map {
        let (call, request) = self.asked().expect("something is written");
        let (api::Request::Create { data, .. } | api::Request::Update { data, .. }) = request
        else {
            panic!("{request:?} writes nothing");
        };
        self.version += 1;
        let map = Map::unpack(&data).expect("a map");
        let (uid, version) = ("m".into(), Version(self.version));
        let stored = Stored { uid, version, data };
        self.input(Input::Answer(call, Reply::Is(stored)));
        map
    }

    fn see(&mut self, mut lease: Lease) {
        self.seen += 1;
        lease.version = Version(self.seen);
        let watch = self.assigner.sessions.expect("it watches");
        self.input(Input::Saw(watch, Sight::Modified(lease)));
    }

    /// All waves that may begin, do; what is left is for commits.
    fn begin_all(&mut self) {
        let asks = |action: &Action| matches!(action, Action::Ask { .. });
        while self.said.iter().any(asks) {
            self.done();
        }
    }
}

fn moving(map: &Map) -> Vec<u32> {
    let entries = map.entries().filter(|(_, entry)| entry.to.is_some());
    entries.map(|(slot, _)| slot.0).collect()
}

#[test]
fn absent_map_is_created_after_the_longest_session_and_then_given_by_one_write() {
    let mut bench = Bench::new(vec![session("a", 1, 15), session("b", 2, 60)]);
    assert_eq!(bench.answer(Reply::Absent), api::Request::Get);
    bench.pass(Duration::from_secs(59));
    assert_eq!(bench.asked(), None);
    bench.see(session("a", 11, 600));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.asked(), None, "one with a longer duration came");
    bench.pass(Duration::from_secs(540));
    let empty = bench.done();
    assert!(empty.peers().is_empty());
    // Both have expired meanwhile, as nobody renewed.
    bench.see(session("a", 12, 601));
    let map = bench.done();
    assert!(
        map.entries()
            .all(|(_, entry)| entry.owner.is_some_and(|peer| &*peer.pod == "a"))
    );
    assert!(map.entries().all(|(_, entry)| entry.token == Token(11)));
}

#[test]
fn map_of_a_later_term_ends_this_one() {
    let mut bench = Bench::new(vec![session("a", 1, 15)]);
    let slots = SlotCount::try_new(SLOTS).expect("a power of two");
    let data = Map::empty(slots, Token(6)).pack().expect("small").into();
    let (uid, version) = ("m".into(), Version(9));
    bench.answer(Reply::Is(Stored { uid, version, data }));
    assert!(bench.said.contains(&Action::Superseded));
    bench.pass(LEASE);
    assert_eq!(bench.asked(), None);
}

#[test]
fn what_nobody_owns_in_a_map_of_another_is_given_after_a_wait_of_ones_own() {
    let mut bench = Bench::new(vec![session("a", 1, 15)]);
    let slots = SlotCount::try_new(SLOTS).expect("a power of two");
    let data = Map::empty(slots, Token(4)).pack().expect("small").into();
    let (uid, version) = ("m".into(), Version(10));
    bench.answer(Reply::Is(Stored { uid, version, data }));
    bench.pass(Duration::from_secs(10));
    bench.see(session("a", 11, 16));
    assert_eq!(bench.asked(), None);
    bench.pass(Duration::from_secs(6));
    assert!(
        bench
            .done()
            .entries()
            .all(|(_, entry)| entry.owner.is_some())
    );
}

#[test]
fn moves_begin_in_waves_of_a_sixteenth_and_commit_by_the_triple_alone() {
    // The one that came last owns nothing, and its share moves to it two by two.
    let mut bench = Bench::assigned(&["a", "b"]);
    let first = bench.done();
    assert_eq!(moving(&first).len(), 2, "{first:?}");
    let second = bench.done();
    assert_eq!(moving(&second).len(), 4, "no wave waits for another");
    let slot = Slot(moving(&first)[0]);
    let owner = first
        .entry(slot)
        .and_then(|entry| entry.owner)
        .expect("owned")
        .clone();
    let generation = first.entry(slot).expect("there").generation;
    let acks = |bench: &mut Bench, generation: u64| {
        let mut lease = session(&owner.pod, 0, 17);
        let text = format!("{generation}:{slot}").into();
        lease.annotations.insert(key::DRAINED, text);
        bench.see(lease);
    };
    let commits = |map: &Map| map.entry(slot).is_some_and(|entry| entry.to.is_none());
    bench.begin_all();
    acks(&mut bench, generation.0 - 1);
    bench.pass(Duration::from_secs(1));
    assert!(bench.asked().is_none(), "of another generation");
    acks(&mut bench, generation.0);
    assert!(bench.asked().is_none(), "others are waited for");
    bench.pass(COALESCE);
    assert!(commits(&bench.done()));
}

#[test]
fn slots_of_a_dead_owner_are_given_by_one_write_after_its_deletion() {
    let mut bench = Bench::assigned(&["a", "b"]);
    bench.begin_all();
    bench.said.clear();
    bench.input(Input::Proven("u-a".into()));
    let sent = bench.said.iter().find_map(|action| match action {
        Action::Send {
            call,
            request: Request::Delete { uid, version, .. },
            ..
        } => Some((*call, uid.clone(), *version)),
        _ => None,
    });
    let (call, uid, version) = sent.expect("its session is deleted");
    assert_eq!((uid.as_str(), version), ("u-a", Some(Version(11))));
    assert_eq!(
        bench.asked(),
        None,
        "proof replaces the waiting, not the write"
    );
    bench.input(Input::Reply(call, crate::Reply::Deleted));
    let map = bench.done();
    assert!(map.peers().iter().all(|peer| &*peer.pod != "a"));
    assert!(map.entries().all(|(_, entry)| entry.owner.is_some()));
}

#[test]
fn term_that_is_extended_too_late_to_be_noticed_goes_on_and_one_that_is_over_does_not() {
    let mut bench = Bench::new(Vec::new());
    let until = |bench: &Bench| bench.now + LEASE;
    bench.answer(Reply::Absent);
    let end = until(&bench);
    bench.input(Input::Rest);
    bench.input(Input::Extend { until: end });
    assert_eq!(bench.asked(), None);
    let token = Token(6);
    bench.input(Input::Lead { token, until: end });
    bench.answer(Reply::Absent);
    bench.pass(LEASE + LEASE);
    assert!(!bench.assigner.leads(bench.now));
    let end = until(&bench);
    bench.input(Input::Extend { until: end });
    assert!(bench.assigner.leads(bench.now));
    assert!(
        matches!(bench.asked(), Some((_, api::Request::Get))),
        "all is read anew"
    );
}
