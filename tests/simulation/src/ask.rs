//! [`Ask`]: requests and watches of any machine, as effects.

use metaparticle_protocol::{election, member, shard::assigner};

use crate::node::Effect;

/// What a machine wants done.
pub trait Ask: Sized {
    /// Adds the effect of what is asked of the API server about Leases; answers what is for others to do.
    fn ask(self, part: u8, effects: &mut Vec<Effect>) -> Option<Self>;
}

macro_rules! asks {
    ($($action:ty),*) => {$(
        impl Ask for $action {
            fn ask(self, part: u8, effects: &mut Vec<Effect>) -> Option<Self> {
                effects.push(match self {
                    Self::Send { call, request, within } => Effect::Send { part, call, request, within },
                    Self::Watch { watch, by } => Effect::Watch { part, watch, by },
                    Self::Unwatch { watch } => Effect::Unwatch { part, watch },
                    other => return Some(other),
                });
                None
            }
        }
    )*};
}

asks!(election::Action, member::Action, assigner::Action);
