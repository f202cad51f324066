//! The session's Lease, step by step.

use std::time::Duration;

use super::*;
use crate::{Lease, Spec};

const LEASE: Duration = Duration::from_secs(15);

struct Bench {
    session: Session,
    now: Moment,
    version: u64,
    sent: Vec<(Call, Request)>,
    said: Vec<Action>,
}

impl Bench {
    fn new() -> Self {
        let budget = Budget::try_new(LEASE).expect("valid");
        let mut bench = Self {
            session: Session::new("pod-x".into(), budget, Mutants::NONE),
            now: Moment::new(Duration::from_secs(100)),
            version: 10,
            sent: Vec::new(),
            said: Vec::new(),
        };
        bench.input(Input::Open);
        bench
    }

    fn open() -> Self {
        let mut bench = Self::new();
        bench.acknowledge();
        bench.said.clear();
        bench
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send { call, request, .. } => self.sent.push((call, request)),
                other => self.said.push(other),
            }
        }
    }

    fn input(&mut self, input: Input) {
        let actions = self.session.step(self.now, input);
        self.take(actions);
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        let actions = self.session.tick(self.now);
        self.take(actions);
    }

    fn reply(&mut self, reply: Reply) -> Request {
        let (call, request) = self.sent.remove(0);
        self.input(Input::Reply(call, reply));
        request
    }

    fn acknowledge(&mut self) -> Request {
        self.version += 1;
        let lease = self.lease("pod-x", "uid");
        self.reply(Reply::Is(lease))
    }

    fn lease(&self, holder: &str, uid: &str) -> Lease {
        Lease {
            name: "pod-x".into(),
            uid: uid.into(),
            version: Version(self.version),
            spec: Spec {
                holder: Some(holder.into()),
                duration: Some(LEASE),
                ..Spec::default()
            },
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
            deleting: false,
        }
    }
}

#[test]
fn validity_counts_from_when_the_post_was_sent() {
    let mut bench = Bench::new();
    bench.pass(2);
    bench.acknowledge();
    let until = Moment::new(Duration::from_secs(112));
    assert_eq!(bench.said.last(), Some(&Action::Valid { until }));
}

#[test]
fn renewal_is_sent_every_third() {
    let mut bench = Bench::open();
    bench.pass(4);
    assert!(bench.sent.is_empty());
    bench.pass(1);
    let request = bench.acknowledge();
    assert!(matches!(
        request,
        Request::Update {
            version: Version(11),
            ..
        }
    ));
    let until = Moment::new(Duration::from_secs(117));
    assert_eq!(bench.said, [Action::Valid { until }]);
}

#[test]
fn answer_after_the_deadline_does_not_revive() {
    let mut bench = Bench::open();
    bench.pass(11);
    bench.pass(1);
    assert_eq!(bench.said, [Action::Lost(Ended::Expired)]);
    bench.acknowledge();
    assert_eq!(bench.said.len(), 1);
    assert!(!bench.session.holds(bench.now));
    assert_eq!(bench.session.wake(), None);
}

#[test]
fn unanswered_renewal_extends_nothing_and_is_tried_again() {
    let mut bench = Bench::open();
    bench.pass(5);
    bench.reply(Reply::Unknown);
    bench.pass(1);
    assert_eq!(bench.sent.len(), 1);
    assert!(bench.said.is_empty());
    bench.reply(Reply::Busy {
        after: Some(Duration::from_secs(3)),
    });
    bench.pass(2);
    assert!(bench.sent.is_empty(), "Retry-After");
    bench.pass(1);
    assert_eq!(bench.sent.len(), 1);
}

#[test]
fn conflict_with_its_own_late_renewal_goes_on_with_its_version() {
    let mut bench = Bench::open();
    bench.pass(5);
    bench.reply(Reply::Conflict);
    bench.version = 20;
    let lease = bench.lease("pod-x", "uid");
    assert!(matches!(bench.reply(Reply::Is(lease)), Request::Get { .. }));
    assert!(bench.said.is_empty(), "a read extends nothing");
    assert!(matches!(
        bench.acknowledge(),
        Request::Update {
            version: Version(20),
            ..
        }
    ));
    assert_eq!(bench.said.len(), 1);
}

#[test]
fn conflict_with_anybody_else_is_loss() {
    for (holder, uid, why) in [
        (
            "revoked/pod-y",
            "uid",
            Ended::Revoked(Some("revoked/pod-y".into())),
        ),
        ("pod-x", "other", Ended::Deleted),
    ] {
        let mut bench = Bench::open();
        bench.pass(5);
        bench.reply(Reply::Conflict);
        let lease = bench.lease(holder, uid);
        bench.reply(Reply::Is(lease));
        assert_eq!(bench.said, [Action::Lost(why)]);
        bench.pass(20);
        assert!(bench.sent.is_empty(), "never written again");
    }
}

#[test]
fn deleted_session_is_lost_and_not_brought_back() {
    let mut bench = Bench::open();
    bench.pass(5);
    bench.reply(Reply::Absent);
    assert_eq!(bench.said, [Action::Lost(Ended::Deleted)]);
    bench.pass(20);
    assert!(bench.sent.is_empty());
}

#[test]
fn creation_whose_answer_was_lost_is_adopted_by_a_write() {
    let mut bench = Bench::new();
    bench.reply(Reply::Unknown);
    bench.pass(1);
    bench.reply(Reply::Exists);
    let lease = bench.lease("pod-x", "uid");
    assert!(matches!(bench.reply(Reply::Is(lease)), Request::Get { .. }));
    assert!(bench.said.is_empty(), "a read grants nothing");
    assert!(matches!(bench.acknowledge(), Request::Update { .. }));
    assert!(bench.session.holds(bench.now));
}

#[test]
fn name_of_somebody_else_is_not_adopted() {
    let mut bench = Bench::new();
    bench.reply(Reply::Exists);
    let lease = bench.lease("pod-y", "uid");
    bench.reply(Reply::Is(lease));
    assert_eq!(bench.said, [Action::Lost(Ended::Taken)]);
}

#[test]
fn answer_of_an_earlier_store_is_loss() {
    let mut bench = Bench::open();
    bench.pass(5);
    bench.version = 3;
    bench.acknowledge();
    assert_eq!(bench.said, [Action::Lost(Ended::RolledBack)]);
}

#[test]
fn closing_deletes_the_state_that_is_known_and_gives_up_in_the_end() {
    let mut bench = Bench::open();
    bench.input(Input::Close);
    assert!(matches!(
        bench.reply(Reply::Unknown),
        Request::Delete {
            version: Some(Version(11)),
            ..
        }
    ));
    bench.pass(1);
    bench.reply(Reply::Deleted);
    assert_eq!(bench.said, [Action::Closed]);

    let mut bench = Bench::open();
    bench.input(Input::Close);
    bench.pass(15);
    assert_eq!(bench.said, [Action::Closed]);
}

#[test]
fn renewal_under_way_is_waited_for_before_the_deletion() {
    let mut bench = Bench::open();
    bench.pass(5);
    bench.input(Input::Close);
    assert_eq!(bench.sent.len(), 1, "one at a time");
    bench.acknowledge();
    assert!(matches!(
        bench.reply(Reply::Deleted),
        Request::Delete {
            version: Some(Version(12)),
            ..
        }
    ));
    assert_eq!(bench.said, [Action::Closed]);
}

/// What the process tells others besides.
fn tell(bench: &mut Bench, text: &str, now: bool) {
    let told = BTreeMap::from([(key::DRAINED, text.into())]);
    bench.input(Input::Tell { told, now });
}

fn told(request: &Request) -> Option<&str> {
    let (Request::Create { draft, .. } | Request::Update { draft, .. }) = request else {
        return None;
    };
    draft.annotations.get(key::DRAINED).map(|text| &**text)
}

#[test]
fn what_is_told_is_in_the_next_renewal_which_comes_at_once_if_it_is_urgent() {
    let mut bench = Bench::open();
    bench.pass(1);
    tell(&mut bench, "7:1", false);
    assert!(bench.sent.is_empty(), "it can wait");
    tell(&mut bench, "8:1", true);
    assert_eq!(told(&bench.acknowledge()), Some("8:1"));
    tell(&mut bench, "8:1", true);
    assert!(bench.sent.is_empty(), "it is told already");
    bench.pass(5);
    assert_eq!(
        told(&bench.acknowledge()),
        Some("8:1"),
        "it is told until another is"
    );
}

#[test]
fn what_is_told_while_a_renewal_is_under_way_follows_it_at_once() {
    let mut bench = Bench::open();
    bench.pass(5);
    tell(&mut bench, "8:1", true);
    assert_eq!(bench.sent.len(), 1, "one at a time");
    assert_eq!(told(&bench.acknowledge()), None);
    assert_eq!(told(&bench.acknowledge()), Some("8:1"));
    assert!(bench.sent.is_empty());
}

#[test]
fn what_is_told_survives_a_contradiction() {
    let mut bench = Bench::open();
    tell(&mut bench, "8:1", true);
    bench.reply(Reply::Conflict);
    bench.acknowledge();
    assert_eq!(told(&bench.acknowledge()), Some("8:1"));
}

#[test]
fn what_is_told_before_the_creation_is_created_with_it() {
    let budget = Budget::try_new(LEASE).expect("valid");
    let mut bench = Bench::new();
    bench.sent.clear();
    bench.session = Session::new("pod-x".into(), budget, Mutants::NONE);
    tell(&mut bench, "8:1", true);
    bench.input(Input::Open);
    assert_eq!(told(&bench.acknowledge()), Some("8:1"));
    assert!(bench.sent.is_empty());
}
