//! [`Mutants`]: rules switched off one by one, to prove that the model checker and the simulator would notice.

/// A rule that is switched off. Each breaks the protocol; each must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mutant {
    /// T1: validity counts from when the acknowledgement came.
    ValidityFromReceive,
    /// T1: a late acknowledgement revives.
    LateAcknowledgementRevives,
    /// W1: an update without `resourceVersion`.
    NoCompareAndSwap,
    /// W1: an update without uid, which brings back what was deleted.
    PutWithoutUid,
    /// W5: an acquisition is sent again with the version that the 409 led to.
    RetryWithConflictsVersion,
    /// T2: another's record is judged by its timestamp on our wall clock.
    WallClock,
    /// E4, L4: released before guards are invalid.
    ReleaseBeforeInvalidation,
    /// E1: the same pod renews its old record without a new term.
    RenewalWithoutNewTerm,
    /// T2: expiry goes on counting while nothing is seen.
    LostWatchBlindness,
    /// E4: one's own name in the record grants.
    NameGrants,
    /// E5: an empty holder is always free.
    EmptyHolderAlwaysFree,
    /// W3: any lower version ends a term.
    NaiveRollback,
    /// W4: events older than our last write count.
    NoEventOrder,
    /// S2: a session is dead because one thinks so, without the DELETE.
    ExpiryByOpinion,
    /// S2: the DELETE carries no version.
    DeleteWithoutVersion,
    /// L2: tickets are ordered by their present version.
    OrderByCurrentVersion,
    /// L2: holds before its own ADDED was seen.
    HoldBeforeOwnAdded,
    /// L2: one's ticket in a list counts as its ADDED.
    RelistCountsAsAdded,
    /// L2: the exact list is not reduced by what the restarted watch no longer shows.
    ExactListNotReduced,
    /// S3: the ticket watch ends while no lock is held.
    WatchStoppedEarly,
    /// S4: the revoker does not wait.
    RevocationWithoutWait,
    /// E1, M2: names without the part that is drawn anew at each start.
    NameWithoutIncarnation,
    /// F3: deletes with a version that did not carry its own token.
    DeleteForeignVersion,
    /// M4: any acknowledgement of a slot counts, whatever generation it is for.
    UnnumberedAcknowledgement,
    /// M3: generations are counted, not taken from the map's version.
    CounterAsGeneration,
    /// M5: a slot is served as long as the session is valid, without a proof that the map is still there.
    NoMapProof,
    /// M4: the target serves when the move is prepared.
    ServingOnPrepare,
}

/// Which rules are switched off: none, ever, unless the feature `mutants` is on and one was chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mutants {
    #[cfg(feature = "mutants")]
    chosen: Option<Mutant>,
}

impl Mutants {
    /// All rules hold.
    pub const NONE: Self = Self {
        #[cfg(feature = "mutants")]
        chosen: None,
    };

    /// With one rule switched off.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub const fn only(mutant: Mutant) -> Self {
        Self {
            chosen: Some(mutant),
        }
    }

    /// Whether that rule is switched off.
    #[must_use]
    pub fn has(self, mutant: Mutant) -> bool {
        #[cfg(feature = "mutants")]
        {
            self.chosen == Some(mutant)
        }
        #[cfg(not(feature = "mutants"))]
        {
            let _ = mutant;
            false
        }
    }
}
