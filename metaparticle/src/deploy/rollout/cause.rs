//! [`Diagnosis`] and [`Cause`]: what failed, where, why, and what to do about it, in words.

use std::{error::Error, fmt};

use thiserror::Error as ThisError;

use super::words::{
    Tail, answer_of_registry, help_with_pull, killed_by, of_job, signal_name, signal_of, times,
    unready,
};

/// Why a rollout failed, and where.
///
/// `Display` says what and where in one sentence, `source()` says why, [`Diagnosis::help`] what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The workload: `Deployment/web`.
    pub workload: String,
    /// The pod, if one is at fault.
    pub pod: Option<String>,
    /// The completion index, if the pod is one of an indexed Job.
    pub index: Option<String>,
    /// The container, if one is at fault.
    pub container: Option<String>,
    /// Why.
    pub cause: Cause,
}

/// Why a rollout failed. `Display` is the reason in one sentence, followed by the program's last lines if there are any.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Cause {
    /// The image could not be pulled.
    #[error("{}", answer_of_registry(.answer))]
    ImagePull {
        /// The image that was asked for.
        image: String,
        /// What the registry, or the way to it, answered.
        answer: String,
    },
    /// The program ends with an error, or is killed, again and again.
    #[error("{ended}{}{}", killed_by(.probe.as_deref()), Tail(.lines))]
    Crash {
        /// How it ended the last time.
        ended: Ended,
        /// How often it was started again.
        restarts: i32,
        /// What the probe said that had it killed.
        probe: Option<String>,
        /// The container's memory limit.
        memory_limit: Option<String>,
        /// The last lines that it wrote.
        lines: Vec<String>,
    },
    /// The program ends without an error, but its pod is there to serve.
    #[error("the program ended with exit code 0, and a service must keep running{}", Tail(.lines))]
    EndedWell {
        /// The last lines that it wrote.
        lines: Vec<String>,
    },
    /// The program runs, but its probe does not succeed.
    #[error("{}{}", unready(.probe.as_ref(), .failure.as_deref(), *.loopback_only), Tail(.lines))]
    NotReady {
        /// The probe that holds it back.
        probe: Option<Probed>,
        /// What the probe said the last time.
        failure: Option<String>,
        /// Whether the port is open on 127.0.0.1 of the pod, where no probe and no Service reaches it.
        loopback_only: bool,
        /// The last lines that it wrote.
        lines: Vec<String>,
    },
    /// No node can take the pod.
    #[error("the scheduler says: {message}")]
    Unschedulable {
        /// The scheduler's words.
        message: String,
    },
    /// The API server refuses to create the pods.
    #[error("{message}")]
    Refused {
        /// Whose rule it is.
        by: Refusal,
        /// The API server's words.
        message: String,
    },
    /// The container cannot be made from what the pod says.
    #[error("{reason}: {message}")]
    Config {
        /// The kubelet's word for it.
        reason: String,
        /// The kubelet's words.
        message: String,
    },
    /// The pod has a node, but the kubelet cannot prepare it: volume, sandbox, network.
    #[error("{reason}: {message}")]
    NotStarted {
        /// The kubelet's word for it.
        reason: String,
        /// The kubelet's words.
        message: String,
    },
    /// The Job gave up.
    #[error("{message}{}{}", of_job(.ended.as_ref()), Tail(.lines))]
    JobFailed {
        /// The Job controller's word for it: `BackoffLimitExceeded`, `DeadlineExceeded`, …
        reason: String,
        /// The Job controller's words.
        message: String,
        /// How the failed pod's program ended.
        ended: Option<Ended>,
        /// The last lines that it wrote.
        lines: Vec<String>,
    },
    /// Somebody paused the Deployment.
    #[error("`spec.paused` is set, so its controller changes nothing")]
    Paused,
    /// Somebody suspended the Job.
    #[error("`spec.suspend` is set, so its controller starts no pods")]
    Suspended,
    /// Somebody deleted it, or put another in its place, while it was rolled out.
    #[error("it was deleted while it was rolled out")]
    Deleted,
    /// Nothing is visibly wrong, but time is over.
    #[error("{waiting_for}")]
    TooSlow {
        /// What was still awaited.
        waiting_for: String,
    },
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The exit code.
    pub code: i32,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// The kubelet's word for it: `Error`, `OOMKilled`, `StartError`, …
    pub reason: String,
    /// More of the kubelet's words, or the program's own termination message.
    pub message: Option<String>,
}

/// A probe, as the pod declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// `readiness`, `startup` or `liveness`.
    pub kind: &'static str,
    /// What it asks: `GET :8080/ready`, `TCP :8080`, …
    pub target: String,
    /// The port, if it is a number.
    pub port: Option<u16>,
}

/// Whose rule keeps pods from being created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A `ResourceQuota`.
    Quota,
    /// PodSecurity admission.
    PodSecurity,
    /// A `LimitRange`.
    LimitRange,
    /// The ServiceAccount is missing.
    ServiceAccount,
    /// An admission webhook or policy, or anything else.
    Other,
}

impl Diagnosis {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        self.cause.help()
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: ", self.workload)?;
        if let Some(pod) = &self.pod {
            write!(f, "pod {pod}")?;
            if let Some(index) = &self.index {
                write!(f, " (index {index})")?;
            }
            write!(f, " ")?;
        }
        f.write_str(&self.cause.what(self.pod.is_some()))
    }
}

impl Error for Diagnosis {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl Cause {
    /// What happens, as the rest of a sentence about the pod, or a sentence of its own without one.
    fn what(&self, of_pod: bool) -> String {
        match self {
            Self::ImagePull { image, .. } => format!("cannot pull image `{image}`"),
            Self::Crash { ended, .. } if ended.is_oom() => "runs out of memory".into(),
            Self::Crash { probe: Some(_), .. } => "is killed by its liveness probe".into(),
            Self::Crash { restarts, .. } => format!("crashes (restarted {})", times(*restarts)),
            Self::EndedWell { .. } => "ends instead of serving".into(),
            Self::NotReady { .. } => "runs but does not become ready".into(),
            Self::Unschedulable { .. } => "fits on no node".into(),
            Self::Refused { by, .. } => match by {
                Refusal::Quota => "the namespace's quota does not allow its pods".into(),
                Refusal::PodSecurity => {
                    "the namespace's PodSecurity level does not allow its pods".into()
                }
                Refusal::LimitRange => "the namespace's LimitRange does not allow its pods".into(),
                Refusal::ServiceAccount => "its ServiceAccount is missing".into(),
                Refusal::Other => "the API server refuses its pods".into(),
            },
            Self::Config { .. } => "cannot create its container".into(),
            Self::NotStarted { .. } => "cannot be started by its node".into(),
            Self::JobFailed { .. } if of_pod => "failed, and the job gave up".into(),
            Self::JobFailed { .. } => "the job gave up".into(),
            Self::Paused => "it is paused".into(),
            Self::Suspended => "it is suspended".into(),
            Self::Deleted => "it is gone".into(),
            Self::TooSlow { .. } => "it was not ready in time".into(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::ImagePull { answer, .. } => help_with_pull(answer).into(),
            Self::Crash {
                ended,
                memory_limit,
                ..
            } if ended.is_oom() => match memory_limit {
                Some(limit) => format!(
                    "raise the limit of {limit}: `resources(memory_limit = \"…\")`, or use less memory"
                ),
                None => "the node ran out of memory: reserve what the program needs with \
                         `resources(memory = \"…\")`"
                    .into(),
            },
            Self::Crash { probe: Some(_), .. } => {
                "see that the program answers its liveness probe, or give it time to start with \
                 `probes(startup = \"/path\")`"
                    .into()
            }
            Self::Crash { ended, .. } if ended.never_ran() => {
                "the binary does not fit its image: see whether it is linked statically, or set `base` to an image \
                 that has what it needs"
                    .into()
            }
            Self::Crash { .. } => "the lines above are the program's own; `METAPARTICLE_ROLE=replica cargo run` runs \
                                   it here"
                .into(),
            Self::EndedWell { .. } => {
                "mark a program that ends with #[job]; a service must not return from main".into()
            }
            Self::NotReady {
                probe,
                loopback_only: true,
                ..
            } => format!(
                "bind 0.0.0.0{} instead of 127.0.0.1: from outside, a pod is reached at its own address",
                probe
                    .as_ref()
                    .and_then(|probe| probe.port)
                    .map(|port| format!(":{port}"))
                    .unwrap_or_default()
            ),
            Self::NotReady { failure, .. } => match failure.as_deref() {
                Some(failure) if failure.contains("connection refused") => {
                    "nothing listens there: compare the port with `ports`, and bind 0.0.0.0, not 127.0.0.1".into()
                }
                Some(failure) if failure.contains("statuscode: 404") => {
                    "the program does not know that path: compare it with `probes(readiness = \"…\")`".into()
                }
                _ => "see what the program waits for; `probes(readiness = \"/path\")` sets what is asked".into(),
            },
            Self::Unschedulable { message } if message.contains("Insufficient") => {
                "lower `resources(cpu, memory)` or the number of replicas, or add nodes".into()
            }
            Self::Unschedulable { .. } => {
                "see `kubectl get nodes`: taints, selectors or missing nodes keep the pod from all of them".into()
            }
            Self::Refused { by, .. } => match by {
                Refusal::Quota => "lower `resources` or `replicas`, or have the ResourceQuota raised".into(),
                Refusal::PodSecurity => {
                    "deploy to a namespace that allows it; what metaparticle generates by itself passes `restricted`"
                        .into()
                }
                Refusal::LimitRange => "choose `resources` within the namespace's LimitRange".into(),
                Refusal::ServiceAccount => "deploy again: it is one of the generated objects, somebody deleted it".into(),
                Refusal::Other => "the rule named above is the cluster's; its owner can say what passes".into(),
            },
            Self::Config { message, .. } if message.contains("runAsNonRoot") => {
                "set `base` to an image whose user is a number other than 0".into()
            }
            Self::Config { .. } => "create what is missing in the same namespace, or correct its name".into(),
            Self::NotStarted { .. } => "this is the node's trouble rather than the program's; it tries again by itself".into(),
            Self::JobFailed { reason, .. } if reason == "DeadlineExceeded" => {
                "the job ran into its `activeDeadlineSeconds`".into()
            }
            Self::JobFailed { .. } => "run the job again once the program is corrected: `cargo run`".into(),
            Self::Paused => "`kubectl rollout resume` lets it go on".into(),
            Self::Suspended => "whoever suspended it (a queue, such as Kueue?) lets it go on".into(),
            Self::Deleted => "deploy again".into(),
            Self::TooSlow { .. } => "it may still become ready: `cargo run -- metaparticle status` tells".into(),
        }
    }

    /// The place for the program's last lines, if this cause has one.
    pub(super) fn lines_mut(&mut self) -> Option<&mut Vec<String>> {
        match self {
            Self::Crash { lines, .. }
            | Self::EndedWell { lines }
            | Self::NotReady { lines, .. }
            | Self::JobFailed { lines, .. } => Some(lines),
            _ => None,
        }
    }
}

impl Ended {
    fn is_oom(&self) -> bool {
        self.reason == "OOMKilled"
    }

    /// Whether the runtime could not even start the program.
    pub(super) fn never_ran(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "StartError" | "ContainerCannotRun" | "RunContainerError"
        )
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.never_ran() {
            write!(f, "the program cannot be started")?;
        } else if self.is_oom() {
            write!(f, "the kernel killed it for using more memory than it may")?;
        } else if let Some(signal) = self.signal.or_else(|| signal_of(self.code)) {
            write!(f, "it was ended by {}", signal_name(signal))?;
        } else {
            write!(f, "it ended with exit code {}", self.code)?;
            match self.code {
                101 => write!(f, " (a panic)")?,
                126 => write!(f, " (not executable)")?,
                127 => write!(f, " (not found)")?,
                _ => {}
            }
        }
        match &self.message {
            Some(message) => write!(f, ": {}", message.trim_end()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} probe ({})", self.kind, self.target)
    }
}
