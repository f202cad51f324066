//! [`Refusal`]: what the API server said no to, and what to do about it.

use std::{fmt, sync::Arc};

use serde_json::Value;

use crate::metrics::Verb;

/// The API server said no, and asking again changes nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    verb: Verb,
    resource: &'static str,
    namespace: Arc<str>,
    code: u16,
    reason: Arc<str>,
    message: Arc<str>,
}

impl Refusal {
    /// Of `verb` on `resource`, with `code` and the `Status` object in `body`.
    pub(crate) fn new(
        verb: Verb,
        resource: &'static str,
        namespace: &str,
        code: u16,
        body: &Value,
    ) -> Self {
        let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
        Self {
            verb,
            resource,
            namespace: namespace.into(),
            code,
            reason: text("reason").into(),
            message: match text("message") {
                "" => format!("it answered {code}").into(),
                message => message.into(),
            },
        }
    }

    /// What was refused.
    #[must_use]
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// The status code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Whether the account lacks the permission.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.code == 403 && !self.is_quota() && !self.is_terminating()
    }

    fn is_quota(&self) -> bool {
        self.code == 403 && self.message.contains("exceeded quota")
    }

    fn is_terminating(&self) -> bool {
        self.code == 403 && self.message.contains("because it is being terminated")
    }

    fn advice(&self) -> Option<String> {
        let (verb, resource, namespace) = (self.verb.as_str(), self.resource, &self.namespace);
        match self.code {
            401 => Some("the credentials are not accepted".to_owned()),
            403 if self.is_quota() => Some(format!(
                "raise the quota of {resource} in namespace {namespace}, or use fewer locks at a time"
            )),
            403 if self.is_terminating() => {
                Some("use a namespace that is not being deleted".to_owned())
            }
            403 => Some(format!(
                "its Role needs the verb `{verb}` on {resource} in namespace {namespace}; the key `coordination` of the \
                 attributes makes that Role"
            )),
            404 if self.message.contains("namespaces") => {
                Some(format!("create the namespace {namespace}, or name another"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the API server refused to {} {} in namespace {}: {}",
            self.verb.as_str(),
            self.resource,
            self.namespace,
            self.message
        )?;
        self.advice()
            .map_or(Ok(()), |advice| write!(f, " ({advice})"))
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {self}", self.code, self.reason)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(code: u16, message: &str) -> String {
        let body = json!({ "reason": "Any", "message": message });
        Refusal::new(Verb::Create, "leases", "prod", code, &body).to_string()
    }

    #[test]
    fn refusal_names_the_verb_that_a_role_lacks() {
        let message =
            "leases.coordination.k8s.io is forbidden: User \"u\" cannot create resource \"leases\"";
        assert_eq!(
            said(403, message),
            format!(
                "the API server refused to create leases in namespace prod: {message} (its Role needs the verb `create` \
                 on leases in namespace prod; the key `coordination` of the attributes makes that Role)"
            )
        );
    }

    #[test]
    fn other_refusals_say_what_helps() {
        for (code, message, advice) in [
            (401, "Unauthorized", "credentials"),
            (
                403,
                "leases \"x\" is forbidden: exceeded quota: few",
                "raise the quota",
            ),
            (
                403,
                "unable to create new content in namespace prod because it is being terminated",
                "not being deleted",
            ),
            (
                404,
                "namespaces \"prod\" not found",
                "create the namespace prod",
            ),
            (422, "Lease \"x\" is invalid", "is invalid"),
            (400, "", "it answered 400"),
        ] {
            let said = said(code, message);
            assert!(said.contains(advice), "{said}");
            assert!(!said.contains("Role needs"), "{said}");
        }
    }
}
