//! [`Machine`]: what the driver, the simulator and the model checker know of all state machines.

use crate::moment::Moment;

/// A state machine: everything it does follows from its inputs and the time at which they come.
pub trait Machine {
    /// What can happen to it.
    type Input;
    /// What it wants done, in this order.
    type Action;

    /// Takes an input. `now` never goes back; each call may also act on time that has passed.
    fn step(&mut self, now: Moment, input: Self::Input) -> Vec<Self::Action>;

    /// Acts on time that has passed, with no other input.
    fn tick(&mut self, now: Moment) -> Vec<Self::Action>;

    /// When [`tick`](Self::tick) is due, at the latest; `None` if only an input can change anything.
    fn wake(&self) -> Option<Moment>;
}
