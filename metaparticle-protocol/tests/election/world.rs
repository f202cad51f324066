//! A store, its watches, and electors that talk to it. Requests and events take a millisecond each.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use metaparticle_protocol::{
    Budget, Lease, Machine, Moment, Mutants, Name, Reply, Request, Selector, Sight, Token, Version,
    api::{Call, Watch},
    election::{Action, Config, Elector, Ended, Input, TermId},
};

pub(crate) const LEASE: Duration = Duration::from_secs(15);
const TRIP: Duration = Duration::from_millis(1);

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

enum Event {
    Arrive(usize, Call, Request),
    Answer(usize, Call, Reply),
    See(usize, Watch, Sight),
}

/// What happens to the requests of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Net {
    Up,
    /// No answer, no event.
    Hung,
    /// Requests fail at once; no event.
    Refused,
    /// Updates are answered with 409, whatever is there; events come.
    Contradicted,
    /// Events come two seconds late.
    Slow,
    /// Requests are done, their answers are lost; events come.
    Deaf,
}

impl Net {
    fn shows(self) -> bool {
        !matches!(self, Self::Hung | Self::Refused)
    }
}

pub(crate) struct Node {
    pub(crate) elector: Elector,
    pub(crate) net: Net,
    pub(crate) alive: bool,
    /// Its work returns, and drops its permits, as soon as it is told to.
    pub(crate) obedient: bool,
    pub(crate) guard: Option<(TermId, Token, Moment)>,
    pub(crate) permits: Option<Moment>,
    pub(crate) ended: Vec<Ended>,
    pub(crate) declined: usize,
    pub(crate) requests: Vec<(Moment, Request)>,
    pub(crate) last: Call,
    watches: BTreeMap<Watch, Selector>,
}

pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) nodes: Vec<Node>,
    pub(crate) leases: BTreeMap<Name, Lease>,
    pub(crate) version: u64,
    pub(crate) tokens: Vec<Token>,
    pub(crate) uids: u64,
    seq: u64,
    queue: BTreeMap<(Moment, u64), Event>,
}

pub(crate) fn name() -> Name {
    "billing".into()
}

pub(crate) fn config(who: &str) -> Config {
    let budget = Budget::try_new(LEASE).expect("valid");
    let mut config = Config::new(name(), format!("{who}_uid_random").into(), budget);
    config.candidate = Some(format!("billing-{who}").into());
    config
}

impl World {
    /// That many candidates, `a`, `b` and so on; none contends yet.
    pub(crate) fn new(nodes: usize) -> Self {
        let mut world = Self {
            now: Moment::new(secs(100)),
            nodes: Vec::new(),
            leases: BTreeMap::new(),
            version: 1000,
            tokens: Vec::new(),
            uids: 0,
            seq: 0,
            queue: BTreeMap::new(),
        };
        for who in ["a", "b", "c", "d"].into_iter().take(nodes) {
            world.add(config(who));
        }
        world
    }

    pub(crate) fn add(&mut self, config: Config) -> usize {
        self.nodes.push(Node {
            elector: Elector::new(config, Mutants::NONE),
            net: Net::Up,
            alive: true,
            obedient: true,
            guard: None,
            permits: None,
            ended: Vec::new(),
            declined: 0,
            requests: Vec::new(),
            last: Call(0),
            watches: BTreeMap::new(),
        });
        let node = self.nodes.len() - 1;
        let actions = self.nodes[node].elector.tick(self.now);
        self.act(node, actions);
        node
    }

    /// One leads, all others contend and are known to it.
    pub(crate) fn settled(nodes: usize) -> Self {
        let mut world = Self::new(nodes);
        for node in 0..nodes {
            world.step(node, Input::Contend);
            world.run(millis(300));
        }
        assert_eq!(world.leader(), Some(0));
        world.run(secs(6));
        world
    }

    pub(crate) fn step(&mut self, node: usize, input: Input) {
        let actions = self.nodes[node].elector.step(self.now, input);
        self.act(node, actions);
    }

    pub(crate) fn stop(&mut self, node: usize, to: Option<&str>) {
        self.step(
            node,
            Input::Stop {
                to: to.map(Arc::from),
            },
        );
    }

    pub(crate) fn set_net(&mut self, node: usize, net: Net) {
        let before = std::mem::replace(&mut self.nodes[node].net, net);
        let seen = Net::shows;
        let watches: Vec<_> = self.nodes[node].watches.clone().into_iter().collect();
        for (watch, by) in watches {
            if seen(before) && !seen(net) {
                self.push(Event::See(node, watch, Sight::Lost));
            } else if !seen(before) && seen(net) {
                let listed = self.list(&by);
                self.push(Event::See(node, watch, listed));
            }
        }
    }

    pub(crate) fn crash(&mut self, node: usize) {
        self.nodes[node].alive = false;
        (self.nodes[node].guard, self.nodes[node].permits) = (None, None);
    }

    /// Everything that happens until so much later.
    pub(crate) fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let awake = self
                .nodes
                .iter()
                .filter(|node| node.alive)
                .filter_map(|node| node.elector.wake())
                .min();
            let next = [event, awake].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            if event == Some(next) {
                let (_, event) = self.queue.pop_first().expect("seen");
                self.handle(event);
            } else {
                for node in 0..self.nodes.len() {
                    if self.nodes[node].alive
                        && self.nodes[node]
                            .elector
                            .wake()
                            .is_some_and(|due| due <= self.now)
                    {
                        let actions = self.nodes[node].elector.tick(self.now);
                        self.act(node, actions);
                    }
                }
            }
            self.check();
        }
        self.now = until;
        self.check();
    }

    /// Lets time pass in which nobody does anything.
    pub(crate) fn pause_all(&mut self, span: Duration) {
        self.now += span;
    }

    /// Who has a valid guard.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| node.guard.is_some_and(|(_, _, until)| self.now < until))
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.leases[&name()]
    }

    pub(crate) fn until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Duration {
        let begin = self.now;
        while !done(self) {
            assert!(self.now.since(begin) < limit, "not within {limit:?}");
            self.run(millis(1));
        }
        self.now.since(begin)
    }

    fn check(&self) {
        let leaders = self
            .nodes
            .iter()
            .filter(|node| node.guard.is_some_and(|(_, _, until)| self.now < until))
            .count();
        assert!(leaders <= 1, "{leaders} leaders at {:?}", self.now);
        assert!(
            self.tokens.is_sorted_by(|a, b| a < b),
            "tokens do not rise: {:?}",
            self.tokens
        );
    }

    fn push(&mut self, event: Event) {
        self.seq += 1;
        let slow = matches!(event, Event::See(node, ..) if self.nodes[node].net == Net::Slow);
        let trip = if slow { secs(2) } else { TRIP };
        self.queue.insert((self.now + trip, self.seq), event);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive(node, call, request) => {
                let reply = match self.nodes[node].net {
                    Net::Contradicted if matches!(request, Request::Update { .. }) => {
                        Reply::Conflict
                    }
                    Net::Up | Net::Slow | Net::Contradicted => self.serve(request),
                    Net::Deaf => {
                        self.serve(request);
                        return;
                    }
                    Net::Hung => return,
                    Net::Refused => Reply::Unknown,
                };
                self.push(Event::Answer(node, call, reply));
            }
            Event::Answer(node, call, reply) if self.nodes[node].alive => {
                self.step(node, Input::Reply(call, reply));
            }
            Event::See(node, watch, sight) if self.nodes[node].alive => {
                let lost = sight == Sight::Lost;
                if lost || self.nodes[node].net.shows() {
                    self.step(node, Input::Saw(watch, sight));
                }
            }
            _ => {}
        }
    }

    fn act(&mut self, node: usize, actions: Vec<Action>) {
        for action in actions {
            let state = &mut self.nodes[node];
            match action {
                Action::Send { call, request, .. } => {
                    state.requests.push((self.now, request.clone()));
                    state.last = call;
                    self.push(Event::Arrive(node, call, request));
                }
                Action::Watch { watch, by } => {
                    state.watches.insert(watch, by.clone());
                    let listed = self.list(&by);
                    self.push(Event::See(node, watch, listed));
                }
                Action::Unwatch { watch } => {
                    state.watches.remove(&watch).expect("a watch that runs");
                }
                Action::Begin { term, token, until } => {
                    assert_eq!(state.guard, None, "a term in a term");
                    state.guard = Some((term, token, until));
                    self.tokens.push(token);
                }
                Action::Extend { term, until } => {
                    if let Some(guard) = &mut state.guard {
                        assert_eq!(guard.0, term);
                        guard.2 = until;
                    }
                    if let Some(permits) = &mut state.permits {
                        *permits = until;
                    }
                }
                Action::Drain { term } => {
                    state.permits = state.guard.take().map(|(_, _, until)| until);
                    if state.obedient {
                        self.step(node, Input::Idle(term));
                    }
                }
                Action::End { term, why } => {
                    let drained = state.guard.take().is_none();
                    state.permits = None;
                    state.ended.push(why);
                    if !drained && state.obedient {
                        self.step(node, Input::Idle(term));
                    }
                }
                Action::Declined { .. } => state.declined += 1,
                Action::Refused(why) => panic!("refused: {why}"),
            }
        }
    }

    pub(crate) fn list(&self, by: &Selector) -> Sight {
        let leases = self
            .leases
            .values()
            .filter(|lease| selects(by, lease))
            .cloned()
            .collect();
        Sight::Listed(leases, Version(self.version))
    }

    /// A write that nobody of the nodes does.
    pub(crate) fn write(&mut self, lease: &Lease) {
        let old = self.leases.insert(lease.name.clone(), lease.clone());
        let sight = if old.is_some() {
            Sight::Modified
        } else {
            Sight::Added
        };
        self.announce(lease, &sight(lease.clone()));
    }

    pub(crate) fn delete(&mut self, name: &Name) {
        let mut lease = self.leases.remove(name).expect("it is there");
        lease.version = self.next();
        self.announce(&lease, &Sight::Deleted(lease.clone()));
    }

    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut Lease)) {
        let mut lease = self.lease().clone();
        change(&mut lease);
        lease.version = self.next();
        self.write(&lease);
    }

    pub(crate) fn next(&mut self) -> Version {
        self.version += 1;
        Version(self.version)
    }

    fn announce(&mut self, lease: &Lease, sight: &Sight) {
        let mut seen = Vec::new();
        for (node, state) in self.nodes.iter().enumerate() {
            if state.net.shows() {
                seen.extend(
                    state
                        .watches
                        .iter()
                        .filter(|(_, by)| selects(by, lease))
                        .map(|(watch, _)| (node, *watch)),
                );
            }
        }
        for (node, watch) in seen {
            self.push(Event::See(node, watch, sight.clone()));
        }
    }

    /// Requests of a node in a span of time, of any kind.
    pub(crate) fn count(&self, node: usize, since: Moment) -> usize {
        self.nodes[node]
            .requests
            .iter()
            .filter(|(at, _)| *at >= since)
            .count()
    }

    /// Names of the Leases that there are.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.leases.keys().map(Name::as_str).collect()
    }
}

fn selects(by: &Selector, lease: &Lease) -> bool {
    match by {
        Selector::Name(name) => lease.name == *name,
        Selector::Labels(labels) => labels
            .iter()
            .all(|(key, value)| lease.labels.get(key) == Some(value)),
    }
}
