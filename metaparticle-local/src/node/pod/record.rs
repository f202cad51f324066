//! [`Record`]: what the node knows of a container.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use tokio::time::Instant;

use crate::node::backoff::Backoff;

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Once, before the next one.
    Init,
    /// From its turn among the init containers to the end of the pod: `restartPolicy: Always`.
    Sidecar,
    /// After all init containers.
    Main,
}

/// What the node knows of a container.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) role: Role,
    pub(crate) spec: Container,
    pub(crate) state: State,
    /// How the run before the present one ended.
    pub(crate) last: Option<Ended>,
    pub(crate) restarts: i32,
    /// Of its restarts.
    pub(crate) backoff: Backoff,
    /// Nobody knows its image.
    pub(crate) lacks_image: bool,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// It does not run yet, or not again.
    Waiting(Waiting),
    /// It runs.
    Running(Running),
    /// It does not run any more.
    Ended(Ended),
}

/// Why it does not run, and when that is looked at again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// None: it is not its turn.
    pub(crate) reason: Option<&'static str>,
    pub(crate) message: Option<String>,
    pub(crate) until: Option<Instant>,
}

/// A process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Running {
    pub(crate) id: String,
    pub(crate) since: Timestamp,
    /// By its startup probe.
    pub(crate) started: bool,
    /// By its readiness probe.
    pub(crate) ready: bool,
    /// It was told to end.
    pub(crate) stopping: bool,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) id: String,
    pub(crate) exit_code: i32,
    pub(crate) reason: &'static str,
    pub(crate) message: Option<String>,
    pub(crate) since: Timestamp,
    pub(crate) finished: Timestamp,
    /// The same as `finished`, for waits.
    pub(crate) at: Instant,
}

impl Record {
    fn new(role: Role, spec: &Container) -> Self {
        Self {
            role,
            spec: spec.clone(),
            state: State::Waiting(Waiting::default()),
            last: None,
            restarts: 0,
            backoff: Backoff::default(),
            lacks_image: false,
        }
    }

    /// Those of a pod, in the order in which they start.
    pub(crate) fn of(spec: &PodSpec) -> Vec<Self> {
        let inits = spec.init_containers.iter().flatten().map(|container| {
            let role = match container.restart_policy.as_deref() {
                Some("Always") => Role::Sidecar,
                _ => Role::Init,
            };
            Self::new(role, container)
        });
        let mains = spec.containers.iter().map(|it| Self::new(Role::Main, it));
        inits.chain(mains).collect()
    }

    /// The process, if there is one.
    pub(crate) fn running(&self) -> Option<&Running> {
        match &self.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }

    /// The same, to change it.
    pub(crate) fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }

    /// Does not run for now. How it ended is remembered.
    pub(crate) fn wait(&mut self, waiting: Waiting) {
        if let State::Ended(ended) = std::mem::replace(&mut self.state, State::Waiting(waiting)) {
            self.last = Some(ended);
        }
    }

    /// How the present run ended, or the one before if this one has not begun.
    pub(crate) fn latest_end(&self) -> Option<&Ended> {
        match &self.state {
            State::Ended(ended) => Some(ended),
            State::Waiting(_) => self.last.as_ref(),
            State::Running(_) => None,
        }
    }

    /// Whether it ran and ended well.
    pub(crate) fn succeeded(&self) -> bool {
        self.latest_end().is_some_and(|ended| ended.exit_code == 0)
    }
}
