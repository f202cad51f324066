//! [`Elector`]: one candidate of one election.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    candidacy::{Candidacy, Wanted},
    io::{Action, Config, Input, Role, TermId, View, candidate_labels},
    marks::{self, Mark},
    observed::Observed,
    peers::Peers,
    term::{Mode, Term},
};
use crate::{
    api::{Call, Reply, Request, Selector, Sight, Watch},
    lease::{Identity, Lease, Token, Uid, Version},
    machine::Machine,
    moment::Moment,
    mutant::{Mutant, Mutants},
    rollback::Rollback,
};

/// One candidate of one election: it follows the Lease, takes it when it is free and a term is wanted, renews it while the
/// term lasts, and hands it over.
///
/// It never gives up by itself: what fails is tried again, and a term that is lost is reported by [`Action::End`]; another
/// begins only after [`Input::Contend`], and not before the work of the last one is [idle](Input::Idle).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Elector {
    pub(super) config: Arc<Config>,
    pub(super) mutants: Mutants,
    #[cfg(feature = "mutants")]
    pub(super) wall: i64,
    pub(super) wish: Wish,
    /// A term that is over while its work goes on (E1).
    pub(super) owed: Option<TermId>,
    pub(super) term: Option<Term>,
    pub(super) terms: u64,
    pub(super) observed: Observed,
    pub(super) flight: Option<Flight>,
    pub(super) rollback: Rollback,
    /// The highest token seen in this election (E2).
    pub(super) highest: Token,
    /// Who acts when the Lease is free, best first (E6).
    pub(super) order: Vec<Identity>,
    /// From whom the Lease was taken because it was gone.
    pub(super) deposed: Option<Identity>,
    pub(super) peers: Peers,
    candidacy: Candidacy,
    candidacy_call: Option<(Call, Moment)>,
    calls: u64,
    /// The Lease that we created, and that nobody has held since.
    pub(super) created: Option<Uid>,
    /// For the mutant `RetryWithConflictsVersion`.
    pub(super) resend: bool,
    /// Attempts that failed in a row.
    pub(super) tries: u8,
    /// Nothing is asked of the election's Lease before.
    pub(super) rest: Moment,
    watching: BTreeMap<Watched, Watch>,
}

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Watched {
    Election,
    Candidates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wish {
    Nothing,
    /// A term.
    Term,
    /// To be gone for good.
    Leave,
}

/// The one request about the election's Lease that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    pub(super) call: Call,
    pub(super) sent: Moment,
    /// Without an answer by then, nobody knows.
    pub(super) due: Moment,
    /// What was seen before it was sent (W3).
    pub(super) mark: Version,
    /// What was seen of the Lease when it was sent.
    pub(super) version: Version,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// POST of an empty record (W2).
    Create,
    /// PUT with which a term begins.
    Acquire(Token),
    /// A consistent read, of one who follows.
    Look,
    /// A record with our identity and without a term is freed (E3).
    Tidy,
    /// PUT with which a term goes on.
    Renew,
    /// A consistent read, of one who leads (W5).
    Confirm,
    /// PUT with which a term is handed over.
    Offer,
}

impl Elector {
    /// One that has seen nothing and wants nothing.
    #[must_use]
    pub fn new(config: Config, mutants: Mutants) -> Self {
        Self {
            config: Arc::new(config),
            mutants,
            #[cfg(feature = "mutants")]
            wall: 0,
            wish: Wish::Nothing,
            owed: None,
            term: None,
            terms: 0,
            observed: Observed::default(),
            flight: None,
            rollback: Rollback::default(),
            highest: Token(0),
            order: Vec::new(),
            deposed: None,
            peers: Peers::default(),
            candidacy: Candidacy::default(),
            candidacy_call: None,
            calls: 0,
            created: None,
            resend: false,
            tries: 0,
            rest: Moment::default(),
            watching: BTreeMap::new(),
        }
    }

    /// For the mutant `WallClock`: what the wall clock shows at the zero of this process's [`Moment`]s, in microseconds.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub fn with_wall_clock(mut self, at_zero: i64) -> Self {
        self.wall = at_zero;
        self
    }

    /// What it knows of its election.
    #[must_use]
    pub fn view(&self) -> View {
        let lease = self.observed.lease.as_ref();
        let held = lease.filter(|lease| Mark::of(lease) == Some(Mark::Held));
        View {
            holder: self.observed.holder().cloned(),
            token: held.and_then(marks::token),
            container: held
                .and_then(|lease| lease.annotations.get(crate::lease::key::CONTAINER))
                .cloned(),
            role: match &self.term {
                Some(term) if matches!(term.mode, Mode::Leading) => Role::Leader,
                Some(_) => Role::Leaving,
                None if self.wish == Wish::Term => Role::Candidate,
                None => Role::Bystander,
            },
            sighted: self.observed.sighted,
        }
    }

    /// The term that has begun and is not over.
    #[must_use]
    pub fn term(&self) -> Option<TermId> {
        self.term.as_ref().map(|term| term.id)
    }

    /// Whether nothing of it is left at the API server, as far as it knows, and nothing is under way.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.term.is_none()
            && self.flight.is_none()
            && self.candidacy_call.is_none()
            && (self.config.candidate.is_none() || self.candidacy.is_gone())
            && !(self.owed.is_none() && self.is_own_record())
    }

    /// Whether it was told to [leave](Input::Leave), and has nothing more to do.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.wish == Wish::Leave && self.is_settled()
    }

    pub(super) fn is_own_record(&self) -> bool {
        self.observed.holder() == Some(&self.config.identity)
    }

    /// Whether a term may begin (E1).
    pub(super) fn contends(&self) -> bool {
        self.wish == Wish::Term && self.owed.is_none() && self.term.is_none()
    }

    pub(super) fn has(&self, mutant: Mutant) -> bool {
        self.mutants.has(mutant)
    }

    pub(super) fn send(
        &mut self,
        now: Moment,
        kind: Kind,
        request: Request,
        out: &mut Vec<Action>,
    ) {
        let call = self.call();
        let within = self.config.budget.attempt;
        self.flight = Some(Flight {
            call,
            sent: now,
            due: now + within,
            mark: self.rollback.mark(),
            version: self.observed.version,
            kind,
        });
        out.push(Action::Send {
            call,
            request,
            within,
        });
    }

    fn call(&mut self) -> Call {
        self.calls += 1;
        Call(self.calls)
    }

    /// After an attempt that failed: when to try again.
    pub(super) fn again(&mut self, now: Moment, after: Option<Duration>) -> Moment {
        let retry = self.config.budget.retry;
        self.tries = self.tries.wrapping_add(1);
        let pause = (retry + self.spread(u64::from(self.tries), retry)) / 2;
        now + pause.max(after.unwrap_or_default())
    }

    /// A part of `span`, another one for each process and each `salt`.
    pub(super) fn spread(&self, salt: u64, span: Duration) -> Duration {
        let mut mixed =
            (u64::from(self.config.jitter) << 32 | salt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^= mixed >> 32;
        let part = u32::try_from(mixed & 0xFF).expect("one byte");
        span * part / 256
    }

    /// The store went back in time (W3): nothing that was seen counts.
    pub(super) fn rolled_back(&mut self, now: Moment) {
        self.rollback = Rollback::default();
        self.observed.version = Version(0);
        self.observed.since = now;
    }

    /// A state of the Lease became known, in whatever way.
    pub(super) fn learn(&mut self, now: Moment, lease: Lease) {
        self.learn_marks(&lease);
        self.observed.is(now, lease);
    }

    /// What its annotations tell.
    pub(super) fn learn_marks(&mut self, lease: &Lease) {
        if let Some(token) = marks::token(lease) {
            self.highest = self.highest.max(token);
        }
        if Mark::of(lease).is_some() && self.term.is_none() {
            let named = marks::successors(lease);
            if !named.is_empty() {
                self.order = named;
            }
        }
    }

    fn wanted_candidacy(&self) -> Wanted {
        if self.wish == Wish::Leave {
            Wanted::Never
        } else if self.contends() {
            Wanted::Yes
        } else if self.term.is_some() || self.wish == Wish::Term {
            Wanted::Later
        } else {
            Wanted::No
        }
    }

    fn reply(&mut self, now: Moment, call: Call, reply: Reply, out: &mut Vec<Action>) {
        if self
            .flight
            .as_ref()
            .is_some_and(|flight| flight.call == call)
        {
            let flight = self.flight.take().expect("just seen");
            if self.term.is_some() {
                self.reply_to_leader(now, &flight, reply, out);
            } else {
                self.reply_to_follower(now, &flight, reply, out);
            }
        } else if self.candidacy_call.is_some_and(|(asked, _)| asked == call) {
            self.candidacy_call = None;
            let (request, order) = self.candidacy.reply(now, &self.config, reply);
            if let Some(order) = order.filter(|_| self.order.is_empty()) {
                self.order = order;
            }
            if let Some(request) = request {
                self.send_candidacy(now, request, out);
            }
        }
    }

    fn send_candidacy(&mut self, now: Moment, request: Request, out: &mut Vec<Action>) {
        let call = self.call();
        let within = self.config.budget.attempt;
        self.candidacy_call = Some((call, now + within));
        out.push(Action::Send {
            call,
            request,
            within,
        });
    }

    /// What time alone brings about.
    fn pass(&mut self, now: Moment, out: &mut Vec<Action>) {
        let late = self
            .wake()
            .is_some_and(|due| now.since(due) > self.config.budget.attempt);
        if late && !self.has(Mutant::LostWatchBlindness) {
            self.observed.since = now;
        }
        self.pass_term(now, out);
        if let Some(call) = self
            .flight
            .as_ref()
            .filter(|flight| now >= flight.due)
            .map(|flight| flight.call)
        {
            self.reply(now, call, Reply::Unknown, out);
        }
        if let Some((call, _)) = self.candidacy_call.filter(|(_, due)| now >= *due) {
            self.reply(now, call, Reply::Unknown, out);
        }
    }

    /// What is to be done now that everything is known.
    fn drive(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.watch(
            Watched::Election,
            self.wish != Wish::Leave || !self.is_settled(),
            out,
        );
        self.watch(Watched::Candidates, self.term.is_some(), out);
        if self.term.is_some() {
            self.lead(now, out);
        } else {
            self.follow(now, out);
        }
        let wanted = self.wanted_candidacy();
        if self.candidacy_call.is_none()
            && let Some(request) = self.candidacy.drive(now, &self.config, wanted)
        {
            self.send_candidacy(now, request, out);
        }
        if self.term.is_some()
            && let Some(request) = self.peers.left_behind(now, self.config.candidate.as_ref())
        {
            let call = self.call();
            let within = self.config.budget.attempt;
            out.push(Action::Send {
                call,
                request,
                within,
            });
        }
    }

    fn watch(&mut self, what: Watched, wanted: bool, out: &mut Vec<Action>) {
        if wanted && !self.watching.contains_key(&what) {
            let watch = Watch(self.call().0);
            let by = match what {
                Watched::Election => Selector::Name(self.config.name.clone()),
                Watched::Candidates => Selector::Labels(candidate_labels(&self.config.name)),
            };
            self.watching.insert(what, watch);
            out.push(Action::Watch { watch, by });
        }
        if !wanted && let Some(watch) = self.watching.remove(&what) {
            if what == Watched::Candidates {
                self.peers = Peers::default();
            }
            out.push(Action::Unwatch { watch });
        }
    }

    fn saw(&mut self, now: Moment, watch: Watch, sight: Sight, out: &mut Vec<Action>) {
        if self.watching.get(&Watched::Candidates) == Some(&watch) {
            self.peers.saw(now, sight);
        } else if self.watching.get(&Watched::Election) != Some(&watch) {
            // Of a watch that was ended.
        } else if self.term.is_some() {
            self.leader_saw(now, sight, out);
        } else {
            self.follower_saw(now, sight);
        }
    }

    fn take(&mut self, now: Moment, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Contend if self.wish == Wish::Nothing => self.wish = Wish::Term,
            Input::Withdraw if self.wish == Wish::Term => self.wish = Wish::Nothing,
            Input::Contend | Input::Withdraw => {}
            Input::Leave => {
                self.wish = Wish::Leave;
                self.stop(now, None, out);
            }
            Input::Stop { to } => self.stop(now, to, out),
            Input::Idle(term) => self.idle(now, term, out),
            Input::Terminated(holder) => {
                if self.observed.holder() == Some(&holder) && holder != self.config.identity {
                    self.observed.ended.get_or_insert(now);
                }
            }
            Input::Contained(container) => {
                Arc::make_mut(&mut self.config).container = Some(container);
            }
            Input::Reply(call, reply) => self.reply(now, call, reply, out),
            Input::Saw(watch, sight) => self.saw(now, watch, sight, out),
        }
    }
}

impl Machine for Elector {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, now: Moment, input: Input) -> Vec<Action> {
        let mut out = Vec::new();
        // Time first: what comes after a deadline comes too late (T1).
        if !(self.has(Mutant::LateAcknowledgementRevives) && self.is_renewed_by(&input)) {
            self.pass(now, &mut out);
        }
        self.take(now, input, &mut out);
        self.drive(now, &mut out);
        out
    }

    fn tick(&mut self, now: Moment) -> Vec<Action> {
        let mut out = Vec::new();
        self.pass(now, &mut out);
        self.drive(now, &mut out);
        out
    }

    fn wake(&self) -> Option<Moment> {
        if self.watching.is_empty() && self.wish != Wish::Leave {
            return Some(Moment::default());
        }
        let flight = self.flight.as_ref().map(|flight| flight.due);
        let own = match &self.term {
            Some(term) => term.wake(self.flight.is_none(), self.rest),
            None if self.flight.is_none() => self.wake_follower(),
            None => None,
        };
        let candidacy = match self.candidacy_call {
            Some((_, due)) => Some(due),
            None if self.config.candidate.is_some() => self.candidacy.wake(self.wanted_candidacy()),
            None => None,
        };
        [flight, own, candidacy].into_iter().flatten().min()
    }
}
