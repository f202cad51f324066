//! [`Report`]: the only voice of the deployer. Everything else hands it [`Event`]s and never prints.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

mod event;
mod human;

pub use event::{Change, Event, State};
use human::Human;
use miette::Diagnostic;

/// How events are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Lines for people, with progress at a terminal: on stderr; the program's own lines on stdout.
    #[default]
    Human,
    /// One JSON object a line on stdout, and nothing else there.
    Json,
}

/// A handle on the deployer's output. Clones share it.
#[derive(Clone)]
pub struct Report(Arc<Mutex<Sink>>);

enum Sink {
    Human(Human),
    Json,
    Captured(Vec<Event>),
}

impl Report {
    /// Tells events as `output` says.
    #[must_use]
    pub fn new(output: Output) -> Self {
        Self::with(match output {
            Output::Human => Sink::Human(Human::new(io::stderr().is_terminal())),
            Output::Json => Sink::Json,
        })
    }

    /// Keeps events instead of telling them; [`Report::captured`] has them. For tests.
    #[must_use]
    pub fn capture() -> Self {
        Self::with(Sink::Captured(Vec::new()))
    }

    fn with(sink: Sink) -> Self {
        Self(Arc::new(Mutex::new(sink)))
    }

    /// Tells one event. Never fails: an output that nobody reads any more is no reason to stop a deployment.
    pub fn event(&self, event: Event) {
        match &mut *self.lock() {
            Sink::Human(human) => human.event(&event),
            Sink::Json => json_line(&event),
            Sink::Captured(events) => events.push(event),
        }
    }

    /// Tells that a command failed, as its last event.
    pub fn failure(&self, error: &dyn Diagnostic, exit_code: u8) {
        match &mut *self.lock() {
            Sink::Human(human) => human.failure(error),
            Sink::Json => json_line(&Event::of_failure(error, exit_code)),
            Sink::Captured(events) => events.push(Event::of_failure(error, exit_code)),
        }
    }

    /// Writes text to stdout as it is: what `render` prints.
    pub fn text(&self, text: &str) {
        let _guard = self.lock();
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Removes unfinished progress from the terminal, so that other text can follow.
    pub fn clear(&self) {
        if let Sink::Human(human) = &mut *self.lock() {
            human.clear();
        }
    }

    /// As [`clear`](Self::clear), unless something is being written at the moment: for those who cannot wait.
    pub(super) fn clear_if_free(&self) {
        if let Ok(mut sink) = self.0.try_lock()
            && let Sink::Human(human) = &mut *sink
        {
            human.clear();
        }
    }

    /// Whether people read this at a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(&*self.lock(), Sink::Human(human) if human.is_terminal())
    }

    /// The events so far, if this is [`Report::capture`].
    #[must_use]
    pub fn captured(&self) -> Vec<Event> {
        match &*self.lock() {
            Sink::Captured(events) => events.clone(),
            _ => Vec::new(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sink> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}

fn json_line(event: &Event) {
    let mut line = serde_json::to_vec(event).expect("events have string keys only");
    line.push(b'\n');
    let mut out = io::stdout().lock();
    let _ = out.write_all(&line).and_then(|()| out.flush());
}
