//! A small world for tests: one store, its watches, and members that a test starves, cuts off or ends.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    num::NonZeroU32,
    time::Duration,
};

use crate::{
    Budget, Call, Lease, Machine, Member, Moment, Mutants, Name, Reply, Request, Selector, Sight,
    Spec, Stamp, Token, Uid, Version, Watch,
    lease::{Draft, When},
    lock::{Failure, Guard, Kind},
    member::{Action, Input},
};

pub(super) const LEASE: Duration = Duration::from_secs(15);

pub(super) struct World {
    pub(super) now: Moment,
    pub(super) store: BTreeMap<Name, Lease>,
    pub(super) version: u64,
    log: Vec<Sight>,
    owners: BTreeMap<Uid, Uid>,
    pub(super) members: Vec<Process>,
    /// Tickets go with their session, as the garbage collector does it.
    pub(super) collects: bool,
    /// Snapshots, for exact lists.
    past: BTreeMap<u64, BTreeMap<Name, Lease>>,
    guards: u64,
    pub(super) mutants: Mutants,
}

#[derive(Default)]
pub(super) struct Process {
    pub(super) member: Option<Member>,
    watches: BTreeMap<Watch, Seen>,
    requests: VecDeque<(Call, Request)>,
    deadline: Moment,
    pub(super) held: BTreeMap<Guard, Option<Token>>,
    pub(super) said: Vec<Action>,
    pub(super) sent: Vec<Request>,
    /// Requests are not done.
    pub(super) cut: bool,
    /// Requests are done, and their answers lost.
    pub(super) deaf: bool,
    /// Watches show nothing.
    pub(super) blind: bool,
}

struct Seen {
    by: Selector,
    from: Option<usize>,
}

impl Process {
    pub(super) fn holds(&self, now: Moment, guard: Guard) -> bool {
        self.held.contains_key(&guard) && now < self.deadline
    }

    pub(super) fn failure(&self, of: Guard) -> Option<&Failure> {
        self.said.iter().find_map(|action| match action {
            Action::Failed { guard, why } if *guard == of => Some(why),
            _ => None,
        })
    }
}

pub(super) fn semaphore(limit: u32) -> Kind {
    Kind::Semaphore(NonZeroU32::new(limit).expect("not zero"))
}

impl World {
    pub(super) fn new(processes: usize) -> Self {
        let mut world = Self {
            now: Moment::new(Duration::from_secs(1000)),
            store: BTreeMap::new(),
            version: 10,
            log: Vec::new(),
            owners: BTreeMap::new(),
            members: Vec::new(),
            collects: true,
            past: BTreeMap::new(),
            guards: 0,
            mutants: Mutants::NONE,
        };
        for _ in 0..processes {
            world.join();
        }
        world
    }

    pub(super) fn join(&mut self) -> usize {
        let number = self.members.len();
        let budget = Budget::try_new(LEASE).expect("valid");
        let spread = Duration::ZERO;
        let member = Member::new(&format!("pod-{number}"), "x", spread, budget, self.mutants);
        self.members.push(Process {
            member: Some(member),
            ..Process::default()
        });
        number
    }

    pub(super) fn lock(&mut self, of: usize, lock: &str, kind: Kind) -> Guard {
        self.wish(of, lock, kind, false)
    }

    pub(super) fn wish(&mut self, of: usize, lock: &str, kind: Kind, once: bool) -> Guard {
        self.guards += 1;
        let guard = Guard(self.guards);
        self.input(
            of,
            Input::Lock {
                guard,
                name: format!("{lock}-{}", self.guards).into(),
                lock: lock.into(),
                kind,
                once,
            },
        );
        guard
    }

    pub(super) fn leave(&mut self, of: usize, guard: Guard) {
        self.input(of, Input::Leave { guard });
    }

    pub(super) fn kill(&mut self, of: usize) {
        self.members[of] = Process::default();
    }

    pub(super) fn holds(&self, of: usize, guard: Guard) -> bool {
        self.members[of].holds(self.now, guard)
    }

    pub(super) fn tickets(&self) -> usize {
        let role = |lease: &&Lease| lease.labels.get("role").is_some_and(|r| &**r == "ticket");
        self.store.values().filter(role).count()
    }

    pub(super) fn input(&mut self, of: usize, input: Input) {
        let Some(member) = &mut self.members[of].member else {
            return;
        };
        let actions = member.step(self.now, input);
        self.act(of, actions);
    }

    fn act(&mut self, of: usize, actions: Vec<Action>) {
        for action in actions {
            let process = &mut self.members[of];
            match &action {
                Action::Send { call, request, .. } => {
                    process.sent.push(request.clone());
                    process.requests.push_back((*call, request.clone()));
                }
                Action::Watch { watch, by } => {
                    let (by, from) = (by.clone(), None);
                    process.watches.insert(*watch, Seen { by, from });
                }
                Action::Unwatch { watch } => {
                    process.watches.remove(watch);
                }
                Action::Hold {
                    guard,
                    token,
                    deadline,
                } => {
                    process.deadline = *deadline;
                    process.held.insert(*guard, *token);
                }
                Action::Extend { deadline } => process.deadline = *deadline,
                Action::Invalidate { guard, .. } => {
                    process.held.remove(guard);
                }
                _ => {}
            }
            self.members[of].said.push(action);
        }
    }

    /// Everything that needs no time.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut idle = true;
            for of in 0..self.members.len() {
                idle &= !self.see(of);
                idle &= !self.serve(of);
            }
            if idle {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// A request that is not done.
    pub(super) fn refuse(&mut self, of: usize, call: Call, reply: Reply) {
        self.members[of]
            .requests
            .retain(|(other, _)| *other != call);
        self.input(of, Input::Reply(call, reply));
    }

    /// One request.
    pub(super) fn serve(&mut self, of: usize) -> bool {
        let Some((call, request)) = self.members[of].requests.pop_front() else {
            return false;
        };
        let mut reply = Reply::Unknown;
        if !self.members[of].cut {
            reply = self.perform(request);
        }
        if self.members[of].deaf {
            reply = Reply::Unknown;
        }
        self.input(of, Input::Reply(call, reply));
        true
    }

    /// All that watches show now.
    pub(super) fn see(&mut self, of: usize) -> bool {
        if self.members[of].blind {
            return false;
        }
        let watches: Vec<_> = self.members[of].watches.keys().copied().collect();
        let mut any = false;
        for watch in watches {
            while let Some(sight) = self.next(of, watch) {
                any = true;
                self.input(of, Input::Sight(watch, sight));
            }
        }
        any
    }

    fn next(&mut self, of: usize, watch: Watch) -> Option<Sight> {
        let seen = self.members[of].watches.get_mut(&watch)?;
        let Some(from) = &mut seen.from else {
            seen.from = Some(self.log.len());
            let matching = self.store.values().filter(|lease| seen.by.shows(lease));
            return Some(Sight::Listed(
                matching.cloned().collect(),
                Version(self.version),
            ));
        };
        while let Some(sight) = self.log.get(*from) {
            *from += 1;
            let (Sight::Added(lease) | Sight::Modified(lease) | Sight::Deleted(lease)) = sight
            else {
                continue;
            };
            if seen.by.shows(lease) {
                return Some(sight.clone());
            }
        }
        None
    }

    /// Its watches break, and begin anew when it sees again.
    pub(super) fn lose_watches(&mut self, of: usize) {
        let watches: Vec<_> = self.members[of].watches.keys().copied().collect();
        for watch in watches {
            if let Some(seen) = self.members[of].watches.get_mut(&watch) {
                seen.from = None;
            }
            self.input(of, Input::Sight(watch, Sight::Lost));
        }
    }

    /// Time passes, with everything that is due in it.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        loop {
            let wakes = self
                .members
                .iter()
                .filter_map(|p| p.member.as_ref()?.wake());
            let Some(due) = wakes.min().filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            for of in 0..self.members.len() {
                if let Some(member) = &mut self.members[of].member {
                    let actions = member.tick(self.now);
                    self.act(of, actions);
                }
            }
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn perform(&mut self, request: Request) -> Reply {
        match request {
            Request::Get { name } => self
                .store
                .get(&name)
                .map_or(Reply::Absent, |lease| Reply::Is(lease.clone())),
            Request::Create { name, draft } => {
                if self.store.contains_key(&name) {
                    return Reply::Exists;
                }
                self.version += 1;
                let uid: Uid = format!("uid-{}", self.version).into();
                if let Some((_, owner)) = &draft.owner {
                    self.owners.insert(uid.clone(), owner.clone());
                }
                let lease = self.written(name, uid, &draft, None);
                self.log.push(Sight::Added(lease.clone()));
                self.collect();
                Reply::Is(lease)
            }
            Request::Update {
                name,
                uid,
                version,
                draft,
            } => {
                let Some(lease) = self.store.get(&name).cloned() else {
                    return Reply::Absent;
                };
                if lease.uid != uid || lease.version != version {
                    return Reply::Conflict;
                }
                self.version += 1;
                let lease = self.written(name, uid, &draft, Some(&lease));
                self.log.push(Sight::Modified(lease.clone()));
                Reply::Is(lease)
            }
            Request::Delete { name, uid, version } => match self.store.get(&name) {
                None => Reply::Absent,
                Some(lease)
                    if lease.uid != uid
                        || version.is_some_and(|version| version != lease.version) =>
                {
                    Reply::Conflict
                }
                Some(_) => {
                    self.delete(&name);
                    Reply::Deleted
                }
            },
            Request::List { labels, exactly } => {
                let by = Selector::Labels(labels);
                let store = match exactly {
                    Some(version) => match self.past.get(&version.0) {
                        Some(store) => store,
                        None => return Reply::Gone,
                    },
                    None => &self.store,
                };
                let version = exactly.unwrap_or(Version(self.version));
                let matching = store.values().filter(|lease| by.shows(lease));
                Reply::List(matching.cloned().collect(), version)
            }
        }
    }

    fn written(&mut self, name: Name, uid: Uid, draft: &Draft, old: Option<&Lease>) -> Lease {
        let stamp = Stamp(i64::try_from(self.version).expect("small"));
        let fill = |when| match when {
            When::Now => Some(stamp),
            When::Kept(kept) => kept,
        };
        let lease = Lease {
            name: name.clone(),
            uid,
            version: Version(self.version),
            spec: Spec {
                holder: draft.holder.clone(),
                duration: Some(draft.duration),
                acquired: fill(draft.acquired),
                renewed: fill(draft.renewed),
                transitions: draft.transitions,
            },
            annotations: draft.annotations.clone(),
            labels: old.map_or_else(|| draft.labels.clone(), |old| old.labels.clone()),
            deleting: false,
        };
        self.store.insert(name, lease.clone());
        self.remember();
        lease
    }

    /// By whomever.
    pub(super) fn delete(&mut self, name: &Name) {
        let Some(mut lease) = self.store.remove(name) else {
            return;
        };
        self.version += 1;
        lease.version = Version(self.version);
        self.log.push(Sight::Deleted(lease));
        self.remember();
        self.collect();
    }

    /// `kubectl annotate`: a later version of the same.
    pub(super) fn touch(&mut self, name: &Name) {
        self.version += 1;
        let version = Version(self.version);
        let lease = self.store.get_mut(name).expect("it exists");
        lease.version = version;
        let sight = Sight::Modified(lease.clone());
        self.log.push(sight);
        self.remember();
    }

    fn remember(&mut self) {
        if self.store.len() < 50 {
            self.past.insert(self.version, self.store.clone());
        }
    }

    fn collect(&mut self) {
        if !self.collects {
            return;
        }
        let living: BTreeSet<_> = self.store.values().map(|lease| lease.uid.clone()).collect();
        let orphan = self.store.values().find(|lease| {
            let owner = self.owners.get(&lease.uid);
            owner.is_some_and(|owner| !living.contains(owner))
        });
        if let Some(name) = orphan.map(|lease| lease.name.clone()) {
            self.delete(&name);
        }
    }
}

impl Selector {
    fn shows(&self, lease: &Lease) -> bool {
        match self {
            Self::Name(name) => lease.name == *name,
            Self::Labels(labels) => labels
                .iter()
                .all(|(key, value)| lease.labels.get(key) == Some(value)),
        }
    }
}
