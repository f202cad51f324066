//! What an election's Lease says beside its spec: our annotations, which count only if they agree with it (E7).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::lease::{Draft, Identity, Lease, Token, When, key};

/// The value of the label [`key::ROLE`] of an election's Lease.
pub(super) const ROLE: &str = "election";
/// How long an offer or a release stands: client-go's own choice for its release.
pub(super) const OFFER: Duration = Duration::from_secs(1);
/// So many successors are named.
const NAMED: usize = 8;

/// In what state our annotations say a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    /// Created by us, held by nobody yet (W2).
    Created,
    /// Held by one of us.
    Held,
    /// Offered to one of us (E4).
    Offered,
    /// Released by one of us.
    Released,
}

impl Mark {
    const ALL: [Self; 4] = [Self::Created, Self::Held, Self::Offered, Self::Released];

    const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Held => "held",
            Self::Offered => "offered",
            Self::Released => "released",
        }
    }

    /// Of a record, if its annotations name the holder and the term that its spec has (E7). client-go keeps annotations
    /// that it does not know on records of its own; it counts `leaseTransitions` up when it takes over.
    pub(super) fn of(lease: &Lease) -> Option<Self> {
        let holder = lease.spec.holder.as_ref().map_or("", Identity::as_str);
        let (word, term) = lease.annotations.get(key::STATE)?.split_once(' ')?;
        let agrees = lease.annotations.get(key::HOLDER).map(|named| &**named) == Some(holder)
            && term.parse() == Ok(lease.spec.transitions);
        agrees
            .then(|| Self::ALL.into_iter().find(|mark| mark.word() == word))
            .flatten()
    }
}

/// The token annotation, whoever wrote it (E2).
pub(super) fn token(lease: &Lease) -> Option<Token> {
    lease.annotations.get(key::TOKEN)?.parse().ok().map(Token)
}

/// Who may act first, best first. Only a delay follows from it, so nothing has to agree.
pub(super) fn successors(lease: &Lease) -> Vec<Identity> {
    lease
        .annotations
        .get(key::SUCCESSORS)
        .into_iter()
        .flat_map(|named| named.split_ascii_whitespace())
        .map(Identity::from)
        .collect()
}

/// The next `leaseTransitions`, an `int32` of the API.
pub(super) const fn next(transitions: u32) -> u32 {
    transitions.wrapping_add(1) & i32::MAX.unsigned_abs()
}

/// A record as one of us writes it.
pub(super) struct Record<'a> {
    pub(super) mark: Mark,
    pub(super) holder: Option<&'a Identity>,
    pub(super) duration: Duration,
    pub(super) acquired: When,
    pub(super) transitions: u32,
    pub(super) token: Token,
    pub(super) successors: &'a [Identity],
    pub(super) container: Option<&'a Arc<str>>,
}

impl Record<'_> {
    pub(super) fn draft(&self) -> Draft {
        let holder = self.holder.map_or("", Identity::as_str);
        let mut annotations = BTreeMap::from([
            (key::HOLDER, Arc::from(holder)),
            (
                key::STATE,
                Arc::from(format!("{} {}", self.mark.word(), self.transitions)),
            ),
        ]);
        if self.token != Token(0) {
            annotations.insert(key::TOKEN, Arc::from(self.token.to_string()));
        }
        if !self.successors.is_empty() {
            let named: Vec<_> = self
                .successors
                .iter()
                .take(NAMED)
                .map(Identity::as_str)
                .collect();
            annotations.insert(key::SUCCESSORS, Arc::from(named.join(" ")));
        }
        if let Some(container) = self.container {
            annotations.insert(key::CONTAINER, Arc::clone(container));
        }
        Draft {
            holder: self.holder.cloned(),
            duration: self.duration,
            acquired: self.acquired,
            renewed: When::Now,
            transitions: self.transitions,
            annotations,
            labels: BTreeMap::from([(key::ROLE, Arc::from(ROLE))]),
            owner: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::{Spec, Uid, Version};

    fn read(draft: Draft) -> Lease {
        Lease {
            name: "e".into(),
            uid: Uid::from("u"),
            version: Version(1),
            spec: Spec {
                holder: draft.holder,
                duration: Some(draft.duration),
                transitions: draft.transitions,
                ..Spec::default()
            },
            annotations: draft.annotations,
            labels: draft.labels,
            deleting: false,
        }
    }

    fn released() -> Lease {
        read(
            Record {
                mark: Mark::Released,
                holder: None,
                duration: OFFER,
                acquired: When::Now,
                transitions: 7,
                token: Token(40),
                successors: &[Identity::from("a"), Identity::from("b")],
                container: None,
            }
            .draft(),
        )
    }

    #[test]
    fn what_was_written_is_read() {
        let lease = released();
        assert_eq!(Mark::of(&lease), Some(Mark::Released));
        assert_eq!(token(&lease), Some(Token(40)));
        assert_eq!(successors(&lease), ["a".into(), "b".into()]);
    }

    #[test]
    fn marks_that_another_program_kept_do_not_count() {
        let mut taken = released();
        taken.spec.holder = Some("client-go".into());
        taken.spec.transitions = 8;
        assert_eq!(Mark::of(&taken), None);
        let mut emptied = taken;
        emptied.spec.holder = None;
        assert_eq!(Mark::of(&emptied), None, "released by another");
        assert_eq!(
            token(&emptied),
            Some(Token(40)),
            "its token counts all the same"
        );
    }
}
