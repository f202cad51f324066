//! What an answer of the API server means: status code and body as a [`Reply`].

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use metaparticle_protocol::{Reply, Uid, Version};
use serde_json::Value;

use super::Sent;
use crate::{
    metrics::{Outcome, Verb},
    object,
    refusal::Refusal,
};

/// A reply, and what else is learned from it.
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) outcome: Outcome,
    pub(super) trouble: Option<Arc<str>>,
    /// Of [`Reply::Is`]: the whole object.
    pub(super) object: Option<Value>,
    /// Of [`Reply::Refused`].
    pub(super) refusal: Option<Refusal>,
}

impl Answer {
    fn done(reply: Reply) -> Self {
        Self {
            reply,
            outcome: Outcome::Done,
            trouble: None,
            object: None,
            refusal: None,
        }
    }

    pub(super) fn unknown(trouble: String) -> Self {
        Self {
            reply: Reply::Unknown,
            outcome: Outcome::Unknown,
            trouble: Some(trouble.into()),
            object: None,
            refusal: None,
        }
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        let sentence: Arc<str> = refusal.to_string().into();
        Self {
            reply: Reply::Refused(Arc::clone(&sentence)),
            outcome: Outcome::Refused,
            trouble: Some(sentence),
            object: None,
            refusal: Some(refusal),
        }
    }

    pub(super) fn conflict() -> Self {
        Self {
            outcome: Outcome::Conflict,
            ..Self::done(Reply::Conflict)
        }
    }

    fn busy(after: Option<Duration>, trouble: &str) -> Self {
        Self {
            reply: Reply::Busy { after },
            outcome: Outcome::Busy,
            trouble: Some(trouble.into()),
            object: None,
            refusal: None,
        }
    }
}

/// The answer to `verb` on `resource`; of an update, to the object of this uid.
pub(super) fn of(
    verb: Verb,
    resource: &'static str,
    namespace: &str,
    uid: Option<&Uid>,
    sent: Sent,
) -> Answer {
    let body = sent.body.unwrap_or(Value::Null);
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
    match sent.code {
        200..=299 => done(verb, uid, body),
        404 if verb == Verb::Create || verb == Verb::List => {
            Answer::refused(Refusal::new(verb, resource, namespace, 404, &body))
        }
        404 => Answer::done(Reply::Absent),
        409 if verb == Verb::Create && text("reason") == "AlreadyExists" => Answer {
            outcome: Outcome::Conflict,
            ..Answer::done(Reply::Exists)
        },
        // Of something behind it: the count of a quota that another creation changed.
        409 if verb == Verb::Create => Answer::busy(None, text("message")),
        409 => Answer::conflict(),
        410 => Answer {
            outcome: Outcome::Conflict,
            ..Answer::done(Reply::Gone)
        },
        429 => {
            let seconds = body
                .pointer("/details/retryAfterSeconds")
                .and_then(Value::as_u64);
            let after = sent.after.or(seconds.map(Duration::from_secs));
            Answer::busy(after, text("message"))
        }
        400..=499 => Answer::refused(Refusal::new(verb, resource, namespace, sent.code, &body)),
        code => Answer::unknown(format!("it answered {code}: {}", text("message"))),
    }
}

fn done(verb: Verb, uid: Option<&Uid>, body: Value) -> Answer {
    let unreadable = || Answer::unknown(format!("its answer to {} is no Lease", verb.as_str()));
    match verb {
        Verb::List | Verb::Watch => {
            let Some(version) = body.get("metadata").and_then(object::version) else {
                return unreadable();
            };
            let items = body.get("items").and_then(Value::as_array);
            let leases = items.into_iter().flatten().filter_map(object::read);
            Answer::done(Reply::List(leases.collect(), version))
        }
        Verb::Delete => match object::read(&body) {
            // A finalizer holds it: it is not gone yet.
            Some(lease) if lease.deleting && has_finalizers(&body) => {
                Answer::busy(None, "a finalizer keeps it from being deleted")
            }
            _ => Answer::done(Reply::Deleted),
        },
        Verb::Get | Verb::Create | Verb::Update => match object::read(&body) {
            // W1: a PUT never creates. Should a server do so all the same, it is not the object that was meant.
            Some(lease) if uid.is_some_and(|uid| lease.uid != *uid) => Answer::conflict(),
            Some(lease) => Answer {
                object: Some(body),
                ..Answer::done(Reply::Is(lease))
            },
            None => unreadable(),
        },
    }
}

fn has_finalizers(object: &Value) -> bool {
    object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .is_some_and(|finalizers| !finalizers.is_empty())
}

/// Query of a list: labels of ours, and the version that it is to show; without one it is consistent.
pub(crate) fn list_query(
    labels: &BTreeMap<&'static str, Arc<str>>,
    exactly: Option<Version>,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !labels.is_empty() {
        let labels: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!("{}={value}", object::qualified(key)))
            .collect();
        query.append_pair("labelSelector", &labels.join(","));
    }
    if let Some(version) = exactly {
        query.append_pair("resourceVersion", &version.to_string());
        query.append_pair("resourceVersionMatch", "Exact");
    }
    query.finish()
}

/// Seconds of a `Retry-After`; its other form, a date, needs a wall clock.
pub(crate) fn retry_after(header: &str) -> Option<Duration> {
    header.trim().parse().ok().map(Duration::from_secs)
}
