//! [`Sharding`]: how a sharded service divides its requests, and who carries them.

use std::num::NonZeroU32;

use metaparticle_protocol::shard::SlotCount;
use serde::{Deserialize, Serialize};

use crate::{AppSpec, Port, Protocol, ShardKey, SpecError, Workload};

/// How a sharded service divides its requests, and who carries them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sharding {
    /// Number of shards, one pod each.
    pub shards: NonZeroU32,
    /// Where in a request its key stands.
    pub key: ShardKey,
    /// Into how many slots keys are divided: what moves between shards.
    #[serde(default)]
    pub slots: Slots,
    /// What becomes of requests without a key.
    #[serde(default)]
    pub unmatched: Unmatched,
    /// Number of pods of a tier of routers before the shards; none: each shard is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<NonZeroU32>,
    /// Where requests enter a shard.
    #[serde(default)]
    pub gate: Gate,
    /// How long requests may go on whose slot moves.
    #[serde(default)]
    pub drain: Drain,
}

/// A number of slots: a power of two, at most 16,384.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Slots(SlotCount);

/// Whole seconds, from 1 to 600; default: 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Drain(u32);

/// What becomes of requests without a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unmatched {
    /// Any shard answers: the one that they came to.
    #[default]
    #[serde(rename = "any")]
    Any,
    /// They are not found.
    #[serde(rename = "404")]
    NotFound,
}

/// Where requests enter a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// By a port of its own, before the program's, which needs to know nothing of it.
    #[default]
    Pod,
    /// By the program's own port: it finds the owner of a key by itself.
    None,
}

/// Where the search for a port of the gate begins.
const GATE_PORT: u16 = 7441;

/// Name of the gate's port in pods.
pub const GATE_PORT_NAME: &str = "gate";

impl Sharding {
    /// How pods with that many shards and that key are declared, all else at its default.
    #[must_use]
    pub fn new(shards: NonZeroU32, key: ShardKey) -> Self {
        Self {
            shards,
            key,
            slots: Slots::default(),
            unmatched: Unmatched::default(),
            router: None,
            gate: Gate::default(),
            drain: Drain::default(),
        }
    }
}

impl Slots {
    /// Checks and takes a number.
    ///
    /// # Errors
    /// [`SpecError::Slots`] if no map has so many.
    pub fn try_new(slots: i128) -> Result<Self, SpecError> {
        let refused = SpecError::Slots(slots);
        let slots = u32::try_from(slots).map_err(|_| refused.clone())?;
        SlotCount::try_new(slots).map(Self).map_err(|_| refused)
    }

    /// As a number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0.number()
    }

    /// How many shards so many slots may be divided among.
    #[must_use]
    pub fn most_shards(self) -> u32 {
        u32::try_from(self.0.peers()).map_or(u32::MAX, |peers| peers.min(self.number()))
    }
}

impl Drain {
    /// Checks and takes a number of seconds.
    ///
    /// # Errors
    /// [`SpecError::Drain`] if it is not 1 to 600.
    pub fn try_new(seconds: i128) -> Result<Self, SpecError> {
        match u32::try_from(seconds) {
            Ok(seconds @ 1..=600) => Ok(Self(seconds)),
            _ => Err(SpecError::Drain(seconds)),
        }
    }

    /// As a number.
    #[must_use]
    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self(10)
    }
}

impl TryFrom<u32> for Slots {
    type Error = SpecError;

    fn try_from(slots: u32) -> Result<Self, SpecError> {
        Self::try_new(slots.into())
    }
}

impl From<Slots> for u32 {
    fn from(slots: Slots) -> Self {
        slots.number()
    }
}

impl TryFrom<u32> for Drain {
    type Error = SpecError;

    fn try_from(seconds: u32) -> Result<Self, SpecError> {
        Self::try_new(seconds.into())
    }
}

impl From<Drain> for u32 {
    fn from(drain: Drain) -> Self {
        drain.0
    }
}

impl AppSpec {
    /// How requests are divided, if they are.
    #[must_use]
    pub fn sharding(&self) -> Option<&Sharding> {
        match &self.workload {
            Workload::Sharded(sharding) => Some(sharding),
            _ => None,
        }
    }

    /// The ports of the Service: all, or the one whose requests are divided.
    #[must_use]
    pub fn service_ports(&self) -> Vec<&Port> {
        match self.sharding() {
            Some(_) => self.first_tcp_port().into_iter().collect(),
            None => self.ports.iter().collect(),
        }
    }

    /// The port to which requests are divided: the first of TCP.
    #[must_use]
    pub fn first_tcp_port(&self) -> Option<&Port> {
        self.ports
            .iter()
            .find(|port| port.protocol == Protocol::Tcp)
    }

    /// The number of the gate's own port: none that is declared, as long as there is one. It moves only if the declared ports
    /// take its place.
    #[must_use]
    pub fn gate_port(&self) -> u16 {
        let is_free = |number: &u16| self.ports.iter().all(|port| port.number.get() != *number);
        (GATE_PORT..=u16::MAX).find(is_free).unwrap_or(GATE_PORT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_power_of_two_of_slots_is_taken() {
        for slots in [1, 2, 4096, 16_384] {
            assert_eq!(i128::from(Slots::try_new(slots).unwrap().number()), slots);
        }
        for slots in [0, -1, 3, 1000, 32_768, 1 << 40] {
            assert_eq!(Slots::try_new(slots), Err(SpecError::Slots(slots)));
        }
    }

    #[test]
    fn the_gate_takes_no_declared_port() {
        let mut app = sample::app();
        assert_eq!(app.gate_port(), 7441);
        app.ports = vec![
            Port::parse("7441").unwrap(),
            Port::parse("7442/udp").unwrap(),
        ];
        assert_eq!(app.gate_port(), 7443);
    }

    #[test]
    fn what_is_not_said_has_its_default_in_what_is_read() {
        let key = ShardKey::Path(crate::PathTemplate::parse("/{id}").unwrap());
        let read: Sharding =
            serde_json::from_str(r#"{"shards": 3, "key": {"path": "/{id}"}}"#).unwrap();
        assert_eq!(read, Sharding::new(NonZeroU32::new(3).unwrap(), key));
    }
}
