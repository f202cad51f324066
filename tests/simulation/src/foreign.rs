//! [`Foreign`]: what client-go's `tools/leaderelection` does (v0.36), as another candidate of the same election.
//!
//! Written after its source: followers poll with jitter and judge by the time since the record last changed; the leader
//! renews every retry period and gives up after the renew deadline; `ReleaseOnCancel` reads, asks its *memory* whether it
//! leads, and writes with the version just read; its leading ends only after that.

use std::time::Duration;

use metaparticle_protocol::{
    Call, Identity, Lease, Moment, Name, Reply, Request, Stamp,
    lease::{Draft, When},
};

use crate::{
    node::{Effect, Grant, Input, Mode, Node},
    random::Random,
};

/// The application cancels the election.
const CANCEL: u64 = 1;
/// The process contends again.
const AGAIN: u64 = 2;

/// A candidate of client-go.
#[derive(Clone, Debug)]
pub struct Foreign {
    name: Name,
    identity: Identity,
    lease: Duration,
    releases: bool,
    random: Random,
    calls: u64,
    guards: u64,
    flight: Option<(Call, Step)>,
    phase: Phase,
    /// What the next try, or the end of the waiting, is due.
    due: Option<Moment>,
    /// The record that it observed, and since when.
    observed: Option<(Lease, Moment)>,
    is_calm: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Acquiring,
    /// Renews, and gives up then.
    Leading {
        gives_up: Moment,
    },
    Releasing,
    Out,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    FastUpdate,
    Get,
    Create,
    Update,
    GetToRelease,
    Release,
}

impl Foreign {
    /// A candidate of that election; `releases` is `ReleaseOnCancel`.
    #[must_use]
    pub fn new(
        name: Name,
        identity: Identity,
        lease: Duration,
        releases: bool,
        random: Random,
    ) -> Self {
        Self {
            name,
            identity,
            lease,
            releases,
            random,
            calls: 0,
            guards: 0,
            flight: None,
            phase: Phase::Acquiring,
            due: None,
            observed: None,
            is_calm: false,
        }
    }

    fn renew_deadline(&self) -> Duration {
        self.lease * 2 / 3
    }

    fn retry_period(&self) -> Duration {
        self.lease * 2 / 15
    }

    fn is_leader(&self) -> bool {
        let observed = self.observed.as_ref();
        observed.is_some_and(|(lease, _)| lease.spec.holder.as_ref() == Some(&self.identity))
    }

    fn is_lease_valid(&self, now: Moment) -> bool {
        self.observed
            .as_ref()
            .is_some_and(|(lease, at)| *at + lease.spec.duration.unwrap_or_default() > now)
    }

    fn send(&mut self, step: Step) -> Vec<Effect> {
        self.calls += 1;
        let call = Call(self.calls);
        self.flight = Some((call, step));
        let name = self.name.clone();
        let observed = self.observed.as_ref().map(|(lease, _)| lease);
        let request = match (step, observed) {
            (Step::Get | Step::GetToRelease, _) => Request::Get { name },
            (Step::FastUpdate | Step::Update | Step::Release, Some(lease)) => Request::Update {
                name,
                uid: lease.uid.clone(),
                version: lease.version,
                draft: self.draft(step, Some(lease)),
            },
            _ => Request::Create {
                name,
                draft: self.draft(step, None),
            },
        };
        vec![Effect::Send {
            part: 0,
            call,
            request,
            within: self.renew_deadline() / 2,
        }]
    }

    fn draft(&self, step: Step, old: Option<&Lease>) -> Draft {
        let is_release = step == Step::Release;
        let transitions = old.map_or(0, |lease| lease.spec.transitions);
        let stays = is_release || self.is_leader() || old.is_none();
        Draft {
            holder: (!is_release).then(|| self.identity.clone()),
            duration: if is_release {
                Duration::from_secs(1)
            } else {
                self.lease
            },
            acquired: match old {
                Some(lease) if self.is_leader() && !is_release => When::Kept(lease.spec.acquired),
                _ => When::Now,
            },
            renewed: When::Now,
            transitions: transitions + u32::from(!stays),
            annotations: old
                .map(|lease| lease.annotations.clone())
                .unwrap_or_default(),
            labels: old.map(|lease| lease.labels.clone()).unwrap_or_default(),
            owner: None,
        }
    }

    /// `tryAcquireOrRenew` begins.
    fn attempt(&mut self, now: Moment) -> Vec<Effect> {
        self.due = None;
        if self.is_leader() && self.is_lease_valid(now) {
            self.send(Step::FastUpdate)
        } else {
            self.send(Step::Get)
        }
    }

    /// `tryAcquireOrRenew` ended.
    fn attempted(&mut self, now: Moment, success: bool) -> Vec<Effect> {
        let retry = self.retry_period();
        match (self.phase, success) {
            (Phase::Acquiring, true) => {
                self.guards += 1;
                self.phase = Phase::Leading {
                    gives_up: now + retry + self.renew_deadline(),
                };
                self.due = Some(now + retry);
                let grant = Grant {
                    resource: self.name.clone(),
                    mode: Mode::Alone,
                    token: None,
                    ticket: None,
                    deadline: None,
                };
                let most = self.lease * 4;
                let works = self.random.duration(self.lease / 4, most);
                vec![
                    Effect::Hold(self.guards, grant),
                    Effect::Later(works, CANCEL),
                ]
            }
            (Phase::Acquiring, false) => {
                let jitter = self.random.below(1200);
                self.due = Some(now + retry * u32::try_from(1000 + jitter).expect("small") / 1000);
                Vec::new()
            }
            (Phase::Leading { .. }, true) => {
                self.phase = Phase::Leading {
                    gives_up: now + retry + self.renew_deadline(),
                };
                self.due = Some(now + retry);
                Vec::new()
            }
            (Phase::Leading { .. }, false) => {
                self.due = Some(now + retry);
                Vec::new()
            }
            (Phase::Releasing | Phase::Out, _) => Vec::new(),
        }
    }

    /// `renew` ended: release if configured, and only then stop leading.
    fn stop(&mut self) -> Vec<Effect> {
        self.due = None;
        self.flight = None;
        if self.releases && self.is_leader() {
            self.phase = Phase::Releasing;
            self.send(Step::GetToRelease)
        } else {
            self.stopped()
        }
    }

    fn stopped(&mut self) -> Vec<Effect> {
        self.phase = Phase::Out;
        self.flight = None;
        let pause = self.random.duration(self.lease / 10, self.lease);
        vec![Effect::Invalidate(self.guards), Effect::Later(pause, AGAIN)]
    }

    fn reply(&mut self, now: Moment, step: Step, reply: Reply) -> Vec<Effect> {
        match (step, reply) {
            (Step::FastUpdate | Step::Update | Step::Create, Reply::Is(lease)) => {
                self.observed = Some((lease, now));
                self.attempted(now, true)
            }
            (Step::FastUpdate, _) => self.send(Step::Get),
            (Step::Get, Reply::Absent) => {
                self.observed = None;
                self.send(Step::Create)
            }
            (Step::Get, Reply::Is(lease)) => {
                let same = self
                    .observed
                    .as_ref()
                    .is_some_and(|(old, _)| old.spec == lease.spec);
                match &mut self.observed {
                    Some((old, _)) if same => *old = lease,
                    observed => *observed = Some((lease, now)),
                }
                let held = self
                    .observed
                    .as_ref()
                    .is_some_and(|(lease, _)| lease.spec.holder.is_some());
                if held && self.is_lease_valid(now) && !self.is_leader() {
                    return self.attempted(now, false);
                }
                self.send(Step::Update)
            }
            (Step::GetToRelease, Reply::Is(lease)) => {
                // Its memory says that it leads; the version is the one just read, whoever wrote it.
                if let Some((old, _)) = &mut self.observed {
                    old.version = lease.version;
                    old.uid = lease.uid;
                    old.annotations = lease.annotations;
                    old.labels = lease.labels;
                }
                self.send(Step::Release)
            }
            (Step::GetToRelease | Step::Release, _) => {
                self.observed = None;
                self.stopped()
            }
            _ => self.attempted(now, false),
        }
    }
}

impl Node for Foreign {
    fn start(&mut self, now: Moment, _wall: Stamp) -> Vec<Effect> {
        self.attempt(now)
    }

    fn step(&mut self, now: Moment, input: Input) -> Vec<Effect> {
        match input {
            Input::Reply(_, call, reply) => {
                let Some((_, step)) = self.flight.take_if(|(flight, _)| *flight == call) else {
                    return Vec::new();
                };
                self.reply(now, step, reply)
            }
            Input::Calm => {
                self.is_calm = true;
                Vec::new()
            }
            Input::Note(CANCEL) if !self.is_calm && matches!(self.phase, Phase::Leading { .. }) => {
                self.stop()
            }
            Input::Note(AGAIN) if self.phase == Phase::Out => {
                self.phase = Phase::Acquiring;
                self.attempt(now)
            }
            _ => Vec::new(),
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Effect> {
        if let Phase::Leading { gives_up } = self.phase
            && now >= gives_up
        {
            return self.stop();
        }
        if self.flight.is_none() && self.due.is_some_and(|due| now >= due) {
            return self.attempt(now);
        }
        Vec::new()
    }

    fn wake(&self) -> Option<Moment> {
        let gives_up = match self.phase {
            Phase::Leading { gives_up } => Some(gives_up),
            _ => None,
        };
        let due = self.due.filter(|_| self.flight.is_none());
        [gives_up, due].into_iter().flatten().min()
    }

    fn is_foreign(&self) -> bool {
        true
    }
}
