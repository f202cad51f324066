//! [`Process`]: a node with its clock, its connection and what is under way to it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use metaparticle_protocol::{
    Call, Reply, Sight, Version,
    api::{Selector, Watch},
};

use super::Event;
use crate::{
    clock::Clock,
    node::{Effect, Input},
    random::Random,
};

/// One process, or the place of one that is down.
#[derive(Clone, Debug)]
pub(super) struct Process<N> {
    pub(super) node: Option<N>,
    pub(super) incarnation: u32,
    pub(super) clock: Clock,
    pub(super) is_foreign: bool,
    pub(super) is_paused: bool,
    /// Stops in the middle of its next step.
    pub(super) stops_midway: bool,
    /// The effects that it stopped before.
    pub(super) stalled: Vec<Effect>,
    pub(super) link: Link,
    /// Messages that a frozen connection holds.
    pub(super) frozen: Vec<Event>,
    /// What came while it was paused.
    pub(super) inbox: Vec<Item>,
    pub(super) unanswered: BTreeSet<(u8, Call)>,
    pub(super) watches: BTreeMap<(u8, Watch), Stream>,
    /// What its application waits for, and since when.
    pub(super) expects: BTreeMap<u64, Duration>,
    pub(super) random: Random,
    /// Only the latest timer counts.
    pub(super) alarm: u64,
    pub(super) epochs: u64,
}

impl<N> Process<N> {
    pub(super) fn new(clock: Clock, random: Random) -> Self {
        Self {
            node: None,
            incarnation: 0,
            clock,
            is_foreign: false,
            is_paused: false,
            stops_midway: false,
            stalled: Vec::new(),
            link: Link::default(),
            frozen: Vec::new(),
            inbox: Vec::new(),
            unanswered: BTreeSet::new(),
            watches: BTreeMap::new(),
            expects: BTreeMap::new(),
            random,
            alarm: 0,
            epochs: 0,
        }
    }

    /// The process is gone; what it sent travels on.
    pub(super) fn end(&mut self) {
        self.node = None;
        self.is_paused = false;
        self.stops_midway = false;
        self.stalled.clear();
        self.inbox.clear();
        self.unanswered.clear();
        self.watches.clear();
        self.expects.clear();
    }
}

/// What came for a paused process.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Input(Input),
    /// Its driver's own timeout.
    Timeout(u8, Call),
    Answer(u8, Call, Reply),
}

/// The connection of one process to the server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    pub(super) requests: Flow,
    pub(super) answers: Flow,
    /// Watches tell nothing, and nobody notices; requests go through.
    pub(super) is_blind: bool,
    /// Each message takes up to this much longer.
    pub(super) slow: Duration,
}

/// What becomes of messages in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flow {
    #[default]
    Open,
    /// Held until it opens again.
    Held,
    Lost,
}

/// A watch, from its list to its loss.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) by: Selector,
    /// Which connection: what belongs to an earlier one is void.
    pub(super) epoch: u64,
    /// What the server has sent; `None` until the list came.
    pub(super) sent: Option<Version>,
    /// Under way to the process, in order.
    pub(super) outbox: VecDeque<Sight>,
    /// When the last of them arrives.
    pub(super) last: Duration,
}
