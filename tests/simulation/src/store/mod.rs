//! [`Store`]: the API server as far as Leases go, with its versions, preconditions and history.
//!
//! It behaves as kube-apiserver does, also where that is dangerous: an update that names no uid brings a deleted Lease
//! back (rule W1), a deletion without version takes any, and a collector deletes what a deleted Lease owned, later.

mod history;
mod register;

pub use history::Snapshot;
pub use register::{Register, Write};

use std::{collections::BTreeMap, time::Duration};

use metaparticle_protocol::{
    Lease, Name, Reply, Request, Spec, Stamp, Uid, Version,
    api::Selector,
    lease::{Draft, When},
};

use history::{History, takes};

/// A Lease as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// What clients read.
    pub lease: Lease,
    /// `ownerReferences`: collected when that Lease is gone.
    pub owner: Option<(Name, Uid)>,
    /// `resourceVersion` of its creation.
    pub created: Version,
}

/// An API server with one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Store {
    version: Version,
    uids: u64,
    objects: BTreeMap<Name, Object>,
    history: History,
    register: Register,
    /// Those of slots.
    registers: BTreeMap<u64, Register>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            version: Version(1),
            uids: 0,
            objects: BTreeMap::new(),
            history: History::new(Version(1)),
            register: Register::default(),
            registers: BTreeMap::new(),
        }
    }
}

impl Store {
    /// The version of the last write.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// All Leases.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// One Lease.
    #[must_use]
    pub fn object(&self, name: &Name) -> Option<&Object> {
        self.objects.get(name)
    }

    /// The object that fenced writers write, guarded by rule F1.
    pub const fn register(&mut self) -> &mut Register {
        &mut self.register
    }

    /// The one of that number; 0 is [`register`](Self::register).
    pub fn register_of(&mut self, number: u64) -> &mut Register {
        if number == 0 {
            return &mut self.register;
        }
        self.registers.entry(number).or_insert_with(|| {
            let mut register = Register::default();
            register.create();
            register
        })
    }

    /// Somebody creates anew what was deleted.
    pub fn create_registers(&mut self) {
        self.register.create();
        for register in self.registers.values_mut() {
            register.create();
        }
    }

    /// Executes a request; `wall` is what its sender's wall clock showed when it was sent.
    pub fn execute(&mut self, request: &Request, wall: Stamp) -> Reply {
        match request {
            Request::Get { name } => match self.objects.get(name) {
                Some(object) => Reply::Is(object.lease.clone()),
                None => Reply::Absent,
            },
            Request::Create { name, draft } => {
                if self.objects.contains_key(name) {
                    return Reply::Exists;
                }
                Reply::Is(self.create(name, draft, wall))
            }
            Request::Update {
                name,
                uid,
                version,
                draft,
            } => self.update(name, Some(uid), Some(*version), draft, wall),
            Request::Delete { name, uid, version } => self.delete(name, Some(uid), *version),
            Request::List { labels, exactly } => {
                let selector = Selector::Labels(labels.clone());
                match exactly {
                    None => Reply::List(self.list(&selector), self.version),
                    Some(version) if *version > self.version => Reply::Busy {
                        after: Some(Duration::from_secs(1)),
                    },
                    Some(version) => match self.history.list(&selector, *version) {
                        Some(leases) => Reply::List(leases, *version),
                        None => Reply::Gone,
                    },
                }
            }
        }
    }

    /// All that the selector takes, now.
    #[must_use]
    pub fn list(&self, selector: &Selector) -> Vec<Lease> {
        let leases = self.objects.values().map(|object| &object.lease);
        leases
            .filter(|lease| takes(selector, lease))
            .cloned()
            .collect()
    }

    fn create(&mut self, name: &Name, draft: &Draft, wall: Stamp) -> Lease {
        self.uids += 1;
        let version = Version(self.version.0 + 1);
        let lease = Lease {
            name: name.clone(),
            uid: Uid::from(format!("u{}", self.uids)),
            version,
            spec: spec(draft, wall),
            annotations: draft.annotations.clone(),
            labels: draft.labels.clone(),
            deleting: false,
        };
        self.put(
            name,
            Some(Object {
                lease: lease.clone(),
                owner: draft.owner.clone(),
                created: version,
            }),
        );
        lease
    }

    /// PUT. Without a uid, what was deleted is created anew; without a version, whatever is there is overwritten.
    pub fn update(
        &mut self,
        name: &Name,
        uid: Option<&Uid>,
        version: Option<Version>,
        draft: &Draft,
        wall: Stamp,
    ) -> Reply {
        // Version(0) and an empty uid are how a broken client leaves the precondition out.
        let uid = uid.filter(|uid| !uid.as_str().is_empty());
        let version = version.filter(|version| *version != Version(0));
        let Some(old) = self.objects.get(name) else {
            return match uid {
                Some(_) => Reply::Conflict,
                None => Reply::Is(self.create(name, draft, wall)),
            };
        };
        if uid.is_some_and(|uid| *uid != old.lease.uid)
            || version.is_some_and(|version| version != old.lease.version)
        {
            return Reply::Conflict;
        }
        let mut object = old.clone();
        object.lease.spec = spec(draft, wall);
        object.lease.annotations = draft.annotations.clone();
        if object.lease == old.lease {
            return Reply::Is(object.lease); // an update that changes nothing makes no version
        }
        object.lease.version = Version(self.version.0 + 1);
        let lease = object.lease.clone();
        self.put(name, Some(object));
        Reply::Is(lease)
    }

    /// DELETE.
    pub fn delete(&mut self, name: &Name, uid: Option<&Uid>, version: Option<Version>) -> Reply {
        let Some(old) = self.objects.get(name) else {
            return Reply::Absent;
        };
        let uid = uid.filter(|uid| !uid.as_str().is_empty());
        if uid.is_some_and(|uid| *uid != old.lease.uid)
            || version.is_some_and(|version| version != old.lease.version)
        {
            return Reply::Conflict;
        }
        self.put(name, None);
        Reply::Deleted
    }

    /// An edit by hand: anything, with no precondition. Answers whether there was such a Lease.
    pub fn edit(&mut self, name: &Name, change: impl FnOnce(&mut Lease)) -> bool {
        let Some(mut object) = self.objects.get(name).cloned() else {
            return false;
        };
        change(&mut object.lease);
        object.lease.version = Version(self.version.0 + 1);
        self.put(name, Some(object));
        true
    }

    /// The garbage collector's round: deletes one Lease whose owner is gone. Answers whether there was one.
    pub fn collect(&mut self) -> bool {
        let orphan = self.objects.values().find_map(|object| {
            let (name, uid) = object.owner.as_ref()?;
            let owner = self.objects.get(name);
            let alive = owner.is_some_and(|owner| owner.lease.uid == *uid);
            (!alive).then(|| object.lease.name.clone())
        });
        match orphan {
            Some(name) => {
                self.put(&name, None);
                true
            }
            None => false,
        }
    }

    /// Each write goes through here: one version, one entry of the history.
    fn put(&mut self, name: &Name, after: Option<Object>) {
        self.version.0 += 1;
        let before = match &after {
            Some(object) => self.objects.insert(name.clone(), object.clone()),
            None => self.objects.remove(name),
        };
        self.history.record(self.version, before, after);
    }
}

fn spec(draft: &Draft, wall: Stamp) -> Spec {
    let stamp = |when: When| match when {
        When::Now => Some(wall),
        When::Kept(stamp) => stamp,
    };
    Spec {
        holder: draft.holder.clone(),
        duration: Some(draft.duration),
        acquired: stamp(draft.acquired),
        renewed: stamp(draft.renewed),
        transitions: draft.transitions,
    }
}

#[cfg(test)]
mod tests;
