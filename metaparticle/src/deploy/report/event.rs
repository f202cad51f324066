//! [`Event`]: everything that a deployment tells, in the form in which machines read it (`--output json`).

use miette::Diagnostic;
use serde::{Serialize, Serializer};

/// One thing that happened. In JSON: an object whose `event` is the variant's name in kebab case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum Event {
    /// What is done where, and why there. The first event of every command that talks to a cluster.
    Target {
        /// `deploying`, `deleting` or `reading`.
        action: &'static str,
        /// Name of the application.
        app: String,
        /// Context of the kubeconfig.
        context: String,
        /// URL of the API server.
        server: String,
        /// Namespace.
        namespace: String,
        /// Why there: who named the context.
        why: String,
    },
    /// Something that the user should know and may ignore.
    Warning {
        /// One sentence.
        message: String,
    },
    /// Something that is good to know.
    Note {
        /// One sentence.
        message: String,
    },
    /// Progress of one thing. The same `subject` comes again, with another state or message.
    Progress {
        /// What progresses: `image`, `Deployment/web`, `Pod/web-5c7d-abcde`.
        subject: String,
        /// Whether it goes on.
        state: State,
        /// What it is doing or how it ended.
        message: String,
    },
    /// A line of the compiler: why the program could not be built.
    Compiler {
        /// The line, without its end.
        line: String,
    },
    /// The image is where it should be.
    Image {
        /// Repository, name and digest.
        reference: String,
        /// `false`: the registry had it already, and nothing was sent.
        pushed: bool,
        /// Size of the image's compressed layers, in bytes.
        size: u64,
        /// Bytes that were sent.
        sent: u64,
        /// Time for archive, compression and registry, in milliseconds.
        milliseconds: u64,
    },
    /// An object was written, or found to be as wanted.
    Applied {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
        /// What the write did.
        change: Change,
        /// The object's resourceVersion now.
        resource_version: String,
    },
    /// An object that this application no longer has was deleted.
    Pruned {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
    },
    /// An object was deleted because it was asked for.
    Deleted {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
    },
    /// How an object is.
    Status {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
        /// Whether it is as it should be; `None` if that cannot be said of its kind.
        ready: Option<bool>,
        /// More about it.
        message: String,
    },
    /// A port of the program is reached on this machine, for as long as the command runs.
    Forwarded {
        /// The port that the program declares.
        port: u16,
        /// Where it is reached; opens in a browser if the program speaks HTTP.
        url: String,
    },
    /// A line that the program wrote.
    Log {
        /// Name of the pod.
        pod: String,
        /// The line, without its end. In JSON, what is not UTF-8 is replaced.
        #[serde(serialize_with = "lossy")]
        line: Vec<u8>,
    },
    /// The command did what it was asked for.
    Done {
        /// One sentence.
        message: String,
    },
    /// The command failed. The last event.
    Failed {
        /// What failed.
        message: String,
        /// Why, from the outermost cause to the innermost.
        causes: Vec<String>,
        /// What to do.
        help: Option<String>,
        /// The exit code that follows.
        exit_code: u8,
    },
}

/// Whether something goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum State {
    /// It goes on.
    Running,
    /// It ended well.
    Done,
    /// It ended badly.
    Failed,
}

/// What a write did to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Change {
    /// It did not exist.
    Created,
    /// It existed and was different.
    Changed,
    /// It was already as wanted; nothing was stored.
    Unchanged,
}

impl Event {
    /// A [`Event::Progress`] of something that goes on.
    #[must_use]
    pub fn running(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::progress(subject, State::Running, message)
    }

    /// A [`Event::Progress`] of something that ended well.
    #[must_use]
    pub fn done(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::progress(subject, State::Done, message)
    }

    /// A [`Event::Progress`] of something that ended badly.
    #[must_use]
    pub fn failed(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::progress(subject, State::Failed, message)
    }

    fn progress(subject: impl Into<String>, state: State, message: impl Into<String>) -> Self {
        Self::Progress {
            subject: subject.into(),
            state,
            message: message.into(),
        }
    }

    /// The [`Event::Failed`] of an error.
    #[must_use]
    pub fn of_failure(error: &dyn Diagnostic, exit_code: u8) -> Self {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        Self::Failed {
            message: error.to_string(),
            causes: causes.map(ToString::to_string).collect(),
            help: error.help().map(|help| help.to_string()),
            exit_code,
        }
    }

    /// A [`Event::Warning`].
    #[must_use]
    pub fn warning(message: impl Into<String>) -> Self {
        Self::Warning {
            message: message.into(),
        }
    }

    /// A [`Event::Note`].
    #[must_use]
    pub fn note(message: impl Into<String>) -> Self {
        Self::Note {
            message: message.into(),
        }
    }
}

fn lossy<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_json_object_with_its_name() {
        let event = Event::Applied {
            kind: "Service".into(),
            name: "web".into(),
            change: Change::Unchanged,
            resource_version: "7".into(),
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            json,
            r#"{"event":"applied","kind":"Service","name":"web","change":"unchanged","resourceVersion":"7"}"#
        );
    }
}
