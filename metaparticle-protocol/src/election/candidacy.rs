//! [`Candidacy`]: the small Lease by which a candidate says that it is one (E6).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    io::{Config, candidate_labels},
    peers::{self, EVERY, FRESH},
};
use crate::{
    api::{Reply, Request},
    lease::{Draft, Identity, Name, Stamp, Uid, Version, When, key},
    moment::Moment,
};

/// After an answer that was none.
const AGAIN: Duration = Duration::from_secs(2);
/// Who wants no term for so long takes its candidate Lease back.
const LINGER: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Candidacy {
    have: Option<Have>,
    asked: Option<Asked>,
    /// When it is to be renewed.
    next: Moment,
    /// Nothing is asked before: the last answer was none.
    rest: Moment,
    /// The others were listed once.
    listed: bool,
    unwanted: Option<Moment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Have {
    uid: Uid,
    version: Version,
    acquired: Option<Stamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    Create,
    Renew,
    Read,
    Delete,
    List,
}

/// Whether a candidate Lease is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Yes,
    /// There is a term: kept as it is, for afterwards.
    Later,
    /// Not at present.
    No,
    /// Never again.
    Never,
}

impl Candidacy {
    /// Whether nothing is left of it.
    pub(super) const fn is_gone(&self) -> bool {
        self.have.is_none() && self.asked.is_none()
    }

    /// The next request, if one is due. Nothing is asked while another is under way.
    pub(super) fn drive(
        &mut self,
        now: Moment,
        config: &Config,
        wanted: Wanted,
    ) -> Option<Request> {
        let name = config.candidate.as_ref()?;
        self.unwanted = match wanted {
            Wanted::No | Wanted::Never => self.unwanted.or(Some(now)),
            Wanted::Yes | Wanted::Later => None,
        };
        if self.asked.is_some() || self.wake(wanted).is_none_or(|due| now < due) {
            return None;
        }
        let (asked, request) = match (&self.have, wanted) {
            (Some(have), Wanted::No | Wanted::Never) => {
                let delete = Request::Delete {
                    name: name.clone(),
                    uid: have.uid.clone(),
                    version: None,
                };
                (Asked::Delete, delete)
            }
            (None, _) => {
                let create = Request::Create {
                    name: name.clone(),
                    draft: draft(config, When::Now),
                };
                (Asked::Create, create)
            }
            (Some(_), _) if !self.listed => {
                let list = Request::List {
                    labels: candidate_labels(&config.name),
                    exactly: None,
                };
                (Asked::List, list)
            }
            (Some(have), _) => (Asked::Renew, renew(config, name, have)),
        };
        self.asked = Some(asked);
        Some(request)
    }

    /// When [`drive`](Self::drive) is due.
    pub(super) fn wake(&self, wanted: Wanted) -> Option<Moment> {
        if self.asked.is_some() {
            return None;
        }
        match wanted {
            Wanted::Yes if self.have.is_some() && !self.listed => Some(self.rest),
            Wanted::Yes => Some(self.next.max(self.rest)),
            Wanted::Later => None,
            Wanted::No => {
                let since = self.unwanted.filter(|_| self.have.is_some())?;
                Some(self.rest.max(since + LINGER))
            }
            Wanted::Never => self.have.is_some().then_some(self.rest),
        }
    }

    /// An answer, and perhaps the request that follows from it. The order of the candidates, if it was a list.
    pub(super) fn reply(
        &mut self,
        now: Moment,
        config: &Config,
        reply: Reply,
    ) -> (Option<Request>, Option<Vec<Identity>>) {
        let Some(asked) = self.asked.take() else {
            return (None, None);
        };
        match (asked, reply) {
            (Asked::Delete, Reply::Deleted | Reply::Absent | Reply::Conflict) => {
                *self = Self::default();
            }
            (Asked::List, reply) => {
                self.listed = true;
                self.next = now + EVERY;
                if let Reply::List(leases, _) = reply {
                    return (None, Some(peers::order(&leases)));
                }
            }
            (_, Reply::Is(lease)) if lease.spec.holder.as_ref() == Some(&config.identity) => {
                self.have = Some(Have {
                    uid: lease.uid,
                    version: lease.version,
                    acquired: lease.spec.acquired,
                });
                self.next = if asked == Asked::Read {
                    now
                } else {
                    now + EVERY
                };
            }
            (Asked::Create, Reply::Exists) | (Asked::Renew, Reply::Conflict) => {
                self.asked = Some(Asked::Read);
                let name = config.candidate.clone();
                return (name.map(|name| Request::Get { name }), None);
            }
            (Asked::Read | Asked::Renew, Reply::Absent) => {
                self.have = None;
                self.next = now;
            }
            // One of that name, drawn by another: nobody's fault, and nothing is lost but the offers.
            (_, Reply::Is(_) | Reply::Refused(_)) => self.rest = now + EVERY,
            (_, Reply::Busy { after }) => self.rest = now + after.unwrap_or(AGAIN).max(AGAIN),
            _ => self.rest = now + AGAIN,
        }
        (None, None)
    }
}

fn renew(config: &Config, name: &Name, have: &Have) -> Request {
    Request::Update {
        name: name.clone(),
        uid: have.uid.clone(),
        version: have.version,
        draft: draft(config, When::Kept(have.acquired)),
    }
}

fn draft(config: &Config, acquired: When) -> Draft {
    Draft {
        holder: Some(config.identity.clone()),
        duration: FRESH,
        acquired,
        renewed: When::Now,
        transitions: 0,
        annotations: BTreeMap::from([(key::PRIORITY, Arc::from(config.priority.to_string()))]),
        labels: candidate_labels(&config.name),
        owner: None,
    }
}
