//! What the API server answers.

use std::collections::BTreeMap;

use metaparticle_protocol::{
    Lease, Name, Reply, Request, Selector, Sight, Stamp, Uid,
    lease::{Draft, Spec, When},
};

use crate::world::World;

impl World {
    pub(crate) fn serve(&mut self, request: Request) -> Reply {
        match request {
            Request::Get { name } => self
                .leases
                .get(&name)
                .cloned()
                .map_or(Reply::Absent, Reply::Is),
            Request::Create { name, .. } if self.leases.contains_key(&name) => Reply::Exists,
            Request::Create { name, draft } => {
                self.uids += 1;
                let uid = format!("u{}", self.uids).into();
                let lease = self.made(name, uid, draft.clone());
                let lease = Lease {
                    labels: draft.labels,
                    ..lease
                };
                self.write(&lease);
                Reply::Is(lease)
            }
            Request::Update {
                name,
                uid,
                version,
                draft,
            } => match self.leases.get(&name) {
                None => Reply::Absent,
                Some(old) if old.uid != uid || old.version != version => Reply::Conflict,
                Some(old) => {
                    let labels = old.labels.clone();
                    let lease = self.made(name, uid, draft);
                    let lease = Lease { labels, ..lease };
                    self.write(&lease);
                    Reply::Is(lease)
                }
            },
            Request::Delete { name, uid, version } => match self.leases.get(&name) {
                None => Reply::Absent,
                Some(old)
                    if old.uid != uid || version.is_some_and(|version| version != old.version) =>
                {
                    Reply::Conflict
                }
                Some(_) => {
                    self.delete(&name);
                    Reply::Deleted
                }
            },
            Request::List { labels, .. } => match self.list(&Selector::Labels(labels)) {
                Sight::Listed(leases, version) => Reply::List(leases, version),
                _ => unreachable!(),
            },
        }
    }

    fn made(&mut self, name: Name, uid: Uid, draft: Draft) -> Lease {
        let version = self.next();
        // Each node's wall clock is another one; nobody may care.
        let now = Some(Stamp(
            i64::try_from(version.0).expect("small") * 7919 % 1000,
        ));
        let stamp = |when| match when {
            When::Now => now,
            When::Kept(kept) => kept,
        };
        Lease {
            name,
            uid,
            version,
            spec: Spec {
                holder: draft.holder,
                duration: Some(draft.duration),
                acquired: stamp(draft.acquired),
                renewed: stamp(draft.renewed),
                transitions: draft.transitions,
            },
            annotations: draft.annotations,
            labels: BTreeMap::new(),
            deleting: false,
        }
    }
}
