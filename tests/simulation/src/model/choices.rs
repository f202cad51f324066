//! What can happen next in a [`State`], in which order.

use std::time::Duration;

use super::{
    Actor, Model,
    state::{Action, Content, LEASE, State, Stream},
};

impl<A: Actor> State<A> {
    /// What can happen now. What reaches different processes commutes: one process after the other takes what came, in any
    /// order of its own. Then the server serves, in any order of all; then time goes on. Faults begin and end in between.
    pub(super) fn actions(&self, model: &Model<A>, actions: &mut Vec<Action>) {
        for index in 0..self.places.len() {
            self.local(index, model, actions);
            if !actions.is_empty() {
                return;
            }
        }
        self.late(actions);
        self.faulty(model, actions);
        self.given(model, actions);
        let mut is_quiet = true;
        for (index, message) in self.messages.iter().enumerate() {
            if !message.is_late && matches!(message.content, Content::Request(..)) {
                is_quiet = false;
                actions.push(Action::Serve(index));
                self.fault(model, Action::Delay(index), actions);
                self.fault(model, Action::Duplicate(index), actions);
            }
        }
        let is_round = self.now.as_nanos().is_multiple_of((LEASE / 4).as_nanos());
        let is_time = is_quiet && (is_round || model.faults == 0);
        let by_hand = A::BY_HAND.filter(|_| is_time);
        if by_hand.is_some_and(|name| self.store.object(&name.into()).is_some()) {
            self.fault(model, Action::Remove, actions);
        }
        for (index, place) in self.places.iter().enumerate() {
            if !place.is_paused {
                let may = place.actor.may(is_time).into_iter();
                actions.extend(may.map(|note| Action::Do(index, note)));
            }
        }
        if is_quiet && self.next().is_some_and(|next| next <= self.end) {
            actions.push(Action::Pass);
        }
    }

    /// What came too late, or stands still, and may come now.
    fn late(&self, actions: &mut Vec<Action>) {
        for (index, message) in self.messages.iter().enumerate() {
            match message.content {
                Content::Request(..) if message.is_late => actions.push(Action::Serve(index)),
                Content::Answer(_) if message.is_late && !self.places[message.of.0].is_paused => {
                    actions.push(Action::Answer(index));
                }
                _ => {}
            }
        }
        for (index, place) in self.places.iter().enumerate() {
            if place.is_paused {
                actions.push(Action::Continue(index));
            }
            let frozen = place.watches.iter().filter(|(_, stream)| stream.is_frozen);
            actions.extend(frozen.map(|(watch, _)| Action::Thaw(index, *watch)));
        }
    }

    /// What has come for this process.
    fn local(&self, index: usize, model: &Model<A>, actions: &mut Vec<Action>) {
        let place = &self.places[index];
        if place.is_paused {
            return;
        }
        for (number, message) in self.messages.iter().enumerate() {
            let is_answer = matches!(message.content, Content::Answer(_));
            if is_answer && message.of.0 == index && !message.is_late {
                actions.push(Action::Answer(number));
                self.fault(model, Action::Delay(number), actions);
            }
        }
        for (watch, stream) in &place.watches {
            if !stream.is_frozen && self.tells(stream) {
                actions.push(Action::See(index, *watch));
                self.fault(model, Action::Freeze(index, *watch), actions);
            }
        }
    }

    /// A fault, if there is still one, and of those that are looked at.
    fn fault(&self, model: &Model<A>, fault: Action, actions: &mut Vec<Action>) {
        if self.faults > 0 && (model.which)(fault) {
            actions.push(fault);
        }
    }

    /// Faults of processes and watches.
    fn faulty(&self, model: &Model<A>, actions: &mut Vec<Action>) {
        for (index, place) in self.places.iter().enumerate() {
            if !place.is_paused {
                self.fault(model, Action::Pause(index), actions);
            }
            self.fault(model, Action::Restart(index), actions);
            for (watch, stream) in &place.watches {
                if !stream.is_lost {
                    self.fault(model, Action::Break(index, *watch), actions);
                }
            }
        }
    }

    /// What comes from outside: reports of ends, and terms.
    fn given(&self, model: &Model<A>, actions: &mut Vec<Action>) {
        let most = A::terms(&model.setting).map_or(0, |(_, most)| most);
        for (index, place) in self.places.iter().enumerate() {
            if place.ended.is_some() {
                actions.push(Action::Report(index));
            }
            if self.terms < most && !place.is_paused && self.leader != Some(index) {
                actions.push(Action::Lead(index));
            }
        }
    }

    fn tells(&self, stream: &Stream) -> bool {
        match stream.sent {
            None => true,
            Some(sent) => !matches!(self.store.next_event(&stream.by, sent), Ok(None)),
        }
    }

    /// When anybody acts by itself.
    pub(super) fn next(&self) -> Option<Duration> {
        let each = self.places.iter().filter(|place| !place.is_paused);
        let each = each.flat_map(|place| {
            let waits = place.waits.values().copied();
            let all = waits.chain(place.actor.wake());
            all.map(|moment| place.clock.when(moment).max(self.now))
        });
        // Also while all are stopped, time goes on.
        let quarter = LEASE / 4;
        let step = u32::try_from(self.now.as_nanos() / quarter.as_nanos()).expect("small");
        each.chain([quarter * (step + 1)]).min()
    }
}
