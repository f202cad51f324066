//! What an owner serves, step by step.

use super::*;
use crate::{
    Budget,
    shard::{
        SlotCount,
        api::{Reply, Request, Sight, Stored},
        map::Peer,
    },
};

const LEASE: Duration = Duration::from_secs(15);
const DRAINS: Duration = Duration::from_secs(3);

struct Bench {
    owner: Owner,
    now: Moment,
    asked: Vec<(Call, Request)>,
    said: Vec<Action>,
}

fn peer(name: &str) -> Peer {
    Peer {
        pod: name.into(),
        session: format!("{name}-x").into(),
        uid: format!("u-{name}").into(),
        address: "".into(),
    }
}

/// Both slots are a's, by the write that made version 11 of version 10.
fn assigned() -> Map {
    let slots = SlotCount::try_new(2).expect("a power of two");
    let mut edit = Map::empty(slots, Token(1)).edit(Version(10), Token(1), Mutants::NONE);
    for slot in 0..2 {
        edit.assign(Slot(slot), &peer("a"));
    }
    edit.finish()
}

/// The first slot is to move to b.
fn prepared() -> Map {
    let mut edit = assigned().edit(Version(11), Token(1), Mutants::NONE);
    edit.prepare(Slot(0), &peer("b"));
    edit.finish()
}

fn stored(map: &Map, version: u64) -> Stored {
    Stored {
        uid: "m".into(),
        version: Version(version),
        data: map.pack().expect("small").into(),
    }
}

impl Bench {
    /// Of a, with a session and the map, as the watch shows it.
    fn new() -> Self {
        let budget = Budget::try_new(LEASE).expect("valid");
        let mut config = Config::new("shards".into(), "a".into(), budget);
        config.drain = DRAINS;
        let mut bench = Self {
            owner: Owner::new(config, Mutants::NONE),
            now: Moment::new(Duration::from_secs(100)),
            asked: Vec::new(),
            said: Vec::new(),
        };
        bench.input(Input::Join);
        let (name, uid) = ("a-x".into(), "u-a".into());
        bench.input(Input::Opened { name, uid });
        bench.renewed();
        bench.see(&assigned(), 11);
        bench
    }

    /// Whose ownership is proven.
    fn proven() -> Self {
        let mut bench = Self::new();
        bench.head(11);
        bench.said.clear();
        bench
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Ask { call, request, .. } => self.asked.push((call, request)),
                other => self.said.push(other),
            }
        }
    }

    fn input(&mut self, input: Input) {
        let actions = self.owner.step(self.now, input);
        self.take(actions);
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        let actions = self.owner.tick(self.now);
        self.take(actions);
    }

    fn renewed(&mut self) {
        let until = self.now + LEASE / 5 * 4;
        self.input(Input::Valid { until });
    }

    fn see(&mut self, map: &Map, version: u64) {
        let watch = self.owner.watch.expect("it watches");
        let sight = if self.owner.sighted {
            Sight::Is(stored(map, version))
        } else {
            Sight::Listed(Some(stored(map, version)), Version(version))
        };
        self.input(Input::Saw(watch, sight));
    }

    fn answer(&mut self, reply: Reply) -> Request {
        let (call, request) = self.asked.remove(0);
        self.input(Input::Answer(call, reply));
        request
    }

    fn head(&mut self, version: u64) {
        let request = self.answer(Reply::Head("m".into(), Version(version)));
        assert_eq!(request, Request::Head);
    }

    fn owned(&self) -> Vec<(u32, u64)> {
        let owned = self.owner.owned(self.now);
        owned.map(|(slot, token)| (slot.0, token.0)).collect()
    }

    /// What was told last to be drained.
    fn acknowledged(&self) -> Option<String> {
        let told = self.said.iter().rev().find_map(|action| match action {
            Action::Tell { told, .. } => Some(told.get(key::DRAINED)),
            _ => None,
        });
        told.flatten().map(ToString::to_string)
    }
}

#[test]
fn slot_is_served_once_a_read_has_proven_the_map_and_no_longer_than_that() {
    let mut bench = Bench::new();
    assert_eq!(bench.owned(), [], "the watch proves nothing");
    bench.now += Duration::from_secs(1);
    bench.head(11);
    assert_eq!(bench.owned(), [(0, 10), (1, 10)]);
    for _ in 0..3 {
        bench.pass(3);
        bench.renewed();
    }
    assert_eq!(bench.owned().len(), 2);
    bench.said.clear();
    bench.pass(2);
    let why = Loss::Unproven;
    let lost = [0, 1].map(|slot| Action::Lost {
        slot: Slot(slot),
        why,
    });
    assert_eq!(bench.said, lost, "counted from when the read was sent");
}

#[test]
fn later_state_of_the_same_map_is_proven_by_a_read_that_showed_an_earlier_one() {
    let mut bench = Bench::new();
    bench.see(&prepared(), 12);
    bench.head(11);
    assert_eq!(bench.owned(), [(1, 10)], "what is to move was never served");
    assert_eq!(bench.acknowledged().as_deref(), Some("11:0"));
}

#[test]
fn drained_slot_is_invalid_before_it_is_acknowledged_and_comes_back_by_a_higher_generation() {
    let mut bench = Bench::proven();
    bench.see(&prepared(), 12);
    let (slot, generation) = (Slot(0), Version(11));
    assert!(
        matches!(bench.said[..], [Action::Drain { .. }]),
        "{:?}",
        bench.said
    );
    let early = Version(10);
    bench.input(Input::Drained {
        slot,
        generation: early,
    });
    assert_eq!(bench.said.len(), 1, "of another drain");
    bench.input(Input::Drained { slot, generation });
    let why = Loss::Drained;
    assert_eq!(bench.said[1], Action::Lost { slot, why });
    assert!(matches!(bench.said[2], Action::Tell { now: true, .. }));
    assert_eq!(bench.acknowledged().as_deref(), Some("11:0"));
    assert_eq!(bench.owned(), [(1, 10)]);
    let mut edit = prepared().edit(Version(12), Token(1), Mutants::NONE);
    edit.cancel(slot);
    bench.see(&edit.finish(), 13);
    assert_eq!(bench.owned(), [(0, 10), (1, 10)]);
    assert_eq!(bench.acknowledged(), None);
}

#[test]
fn drain_that_hangs_ends_at_its_deadline() {
    let mut bench = Bench::proven();
    bench.see(&prepared(), 12);
    bench.pass(2);
    assert_eq!(bench.owned().len(), 2);
    bench.pass(1);
    let (slot, why) = (Slot(0), Loss::DrainTooLong);
    assert!(bench.said.contains(&Action::Lost { slot, why }));
    assert_eq!(bench.acknowledged().as_deref(), Some("11:0"));
}

#[test]
fn map_that_is_gone_or_another_is_loss() {
    for reply in [Reply::Absent, Reply::Head("other".into(), Version(40))] {
        let mut bench = Bench::proven();
        bench.pass(5);
        bench.answer(reply);
        let (slot, why) = (Slot(0), Loss::NoMap);
        assert!(bench.said.contains(&Action::Lost { slot, why }));
        assert_eq!(bench.owned(), []);
    }
}

#[test]
fn read_of_an_earlier_store_ends_the_session() {
    let mut bench = Bench::proven();
    bench.pass(5);
    bench.head(9);
    assert_eq!(bench.said.last(), Some(&Action::RolledBack));
    assert_eq!(bench.owned(), []);
}

#[test]
fn who_has_left_gains_nothing_more() {
    let mut bench = Bench::new();
    bench.see(&Map::empty(assigned().slots(), Token(1)), 12);
    bench.head(12);
    bench.said.clear();
    bench.input(Input::Leave);
    assert_eq!(bench.said.last(), Some(&Action::Left));
    bench.see(&assigned(), 13);
    assert_eq!(bench.owned(), []);
}

#[test]
fn guard_that_ran_out_on_its_own_is_replaced_by_another() {
    let mut bench = Bench::proven();
    let (slot, token) = (Slot(1), Token(10));
    bench.input(Input::Lapsed { slot, token });
    let lost = Action::Lost {
        slot,
        why: Loss::Unproven,
    };
    assert_eq!(bench.said[0], lost);
    assert!(matches!(
        bench.said[1],
        Action::Gained { slot: Slot(1), .. }
    ));
}

#[test]
fn gate_holds_what_is_drained_and_asks_about_a_higher_token() {
    let mut bench = Bench::proven();
    let claim = |slot, token| Claim {
        slot: Slot(slot),
        token: Token(token),
        session: "u-a".into(),
    };
    assert_eq!(bench.owner.judge(bench.now, &claim(0, 10)), Verdict::Serve);
    assert_eq!(bench.owner.judge(bench.now, &claim(0, 12)), Verdict::Ask);
    bench.see(&prepared(), 12);
    assert_eq!(bench.owner.judge(bench.now, &claim(0, 10)), Verdict::Hold);
    let (slot, generation) = (Slot(0), Version(11));
    bench.input(Input::Drained { slot, generation });
    assert_eq!(bench.owner.judge(bench.now, &claim(0, 10)), Verdict::Hold);
    assert_eq!(bench.owner.judge(bench.now, &claim(1, 10)), Verdict::Serve);
    bench.pass(13);
    assert_eq!(bench.owner.judge(bench.now, &claim(1, 10)), Verdict::Ask);
}

#[test]
fn doubts_of_half_a_second_cost_two_reads() {
    let mut bench = Bench::proven();
    bench.input(Input::Doubt);
    assert_eq!(bench.asked.len(), 1);
    bench.head(11);
    for _ in 0..10 {
        bench.input(Input::Doubt);
        bench.input(Input::Doubt);
    }
    assert!(bench.asked.is_empty());
    bench.now += DOUBTS;
    bench.pass(0);
    assert_eq!(bench.asked.len(), 1, "one for all of them");
    bench.head(11);
    bench.pass(1);
    assert!(bench.asked.is_empty());
}

#[test]
fn who_only_follows_reads_when_it_doubts() {
    let budget = Budget::try_new(LEASE).expect("valid");
    let config = Config::new("shards".into(), "r".into(), budget);
    let mut owner = Owner::new(config, Mutants::NONE);
    let now = Moment::new(Duration::from_secs(100));
    let asks = |actions: &[Action]| {
        let asks = actions.iter();
        asks.filter(|action| matches!(action, Action::Ask { .. }))
            .count()
    };
    assert_eq!(asks(&owner.tick(now)), 0);
    assert_eq!(asks(&owner.step(now, Input::Doubt)), 1);
}
