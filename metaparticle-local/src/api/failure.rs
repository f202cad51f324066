//! [`Failure`]: an answer that says no, as the real API server words it.

use serde_json::{Value, json};

use super::resource::Resource;

/// A `Status` that is not a success.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// HTTP status code.
    pub code: u16,
    /// `reason` of the Status, as clients compare it.
    pub reason: &'static str,
    /// One sentence for people.
    pub message: String,
    /// `details`, if there are any.
    pub details: Option<Value>,
    /// `metadata.continue`, where a list may go on in spite of the failure.
    pub continue_token: Option<String>,
}

/// What is wrong with one field, by the words of the real API server.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// `FieldValueInvalid`, `FieldValueRequired`, …
    pub reason: &'static str,
    /// `spec.replicas`, `spec.containers[0].name`.
    pub field: String,
    /// `Invalid value: -1: must be greater than or equal to 0`.
    pub message: String,
}

impl FieldError {
    /// The field is missing.
    #[must_use]
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {detail}")
        };
        Self {
            reason: "FieldValueRequired",
            field: field.into(),
            message,
        }
    }

    /// The value breaks a rule.
    #[must_use]
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        let message = match detail {
            "" => format!("Invalid value: {value}"),
            detail => format!("Invalid value: {value}: {detail}"),
        };
        Self {
            reason: "FieldValueInvalid",
            field: field.into(),
            message,
        }
    }

    /// The value occurs already.
    #[must_use]
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self {
            reason: "FieldValueDuplicate",
            field: field.into(),
            message: format!("Duplicate value: {value}"),
        }
    }

    /// The value names something that is not there.
    #[must_use]
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self {
            reason: "FieldValueNotFound",
            field: field.into(),
            message: format!("Not found: {value}"),
        }
    }

    /// The field may not be set, or not be changed.
    #[must_use]
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self {
            reason: "FieldValueForbidden",
            field: field.into(),
            message: format!("Forbidden: {detail}"),
        }
    }

    /// The value is none of those that are allowed.
    #[must_use]
    pub fn not_supported(field: impl Into<String>, value: &Value, allowed: &[&str]) -> Self {
        let allowed: Vec<String> = allowed.iter().map(|value| format!("\"{value}\"")).collect();
        let message = format!(
            "Unsupported value: {value}: supported values: {}",
            allowed.join(", ")
        );
        Self {
            reason: "FieldValueNotSupported",
            field: field.into(),
            message,
        }
    }

    /// The value is longer than `most` bytes.
    #[must_use]
    pub fn too_long(field: impl Into<String>, most: usize) -> Self {
        let message = format!("Too long: may not be more than {most} bytes");
        Self {
            reason: "FieldValueTooLong",
            field: field.into(),
            message,
        }
    }
}

impl Failure {
    /// A Status without details.
    #[must_use]
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
            continue_token: None,
        }
    }

    /// With `details`.
    #[must_use]
    pub fn with_details(self, details: Value) -> Self {
        Self {
            details: Some(details),
            ..self
        }
    }

    /// 400.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 403.
    #[must_use]
    pub fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.qualified());
        Self::new(403, "Forbidden", message).with_details(resource.details(name))
    }

    /// 404.
    #[must_use]
    pub fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Self::new(404, "NotFound", message).with_details(resource.details(name))
    }

    /// 404 of a path that nobody serves.
    #[must_use]
    pub fn no_such_path() -> Self {
        Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        )
        .with_details(json!({}))
    }

    /// 404 of a path that only a real API server serves.
    #[must_use]
    pub fn no_admission_policies() -> Self {
        let message = "the embedded cluster has no admission policies: what they refuse can be seen on a real cluster only";
        Self::new(404, "NotFound", message).with_details(json!({}))
    }

    /// 405.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message).with_details(json!({}))
    }

    /// 409 of a name that is taken.
    #[must_use]
    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).with_details(resource.details(name))
    }

    /// 409 of a resourceVersion or uid that is not the stored one.
    #[must_use]
    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            resource.qualified()
        );
        Self::new(409, "Conflict", message).with_details(resource.details(name))
    }

    /// 410.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 413.
    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        let message = format!("Request entity too large: {}", message.into());
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// 415.
    #[must_use]
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 422.
    #[must_use]
    pub fn invalid(resource: &Resource, name: &str, errors: &[FieldError]) -> Self {
        let mut words: Vec<String> = Vec::new();
        for error in errors {
            let sentence = format!("{}: {}", error.field, error.message);
            // What several rules say is said once; it is several causes nevertheless.
            if !words.contains(&sentence) {
                words.push(sentence);
            }
        }
        let all = match words.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let kind = resource.kind;
        let qualified = if resource.group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{}", resource.group)
        };
        let message = format!("{qualified} \"{name}\" is invalid: {all}");
        let causes: Vec<Value> = errors
            .iter()
            .map(|it| json!({"reason": it.reason, "message": it.message, "field": it.field}))
            .collect();
        let mut details = resource.details(name);
        details["kind"] = kind.into();
        details["causes"] = causes.into();
        Self::new(422, "Invalid", message).with_details(details)
    }

    /// 500 without a reason: what the real server did not foresee, word for word.
    #[must_use]
    pub fn unreasoned(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// 422 about an object that was not looked at closely: the kind is named by its resource.
    #[must_use]
    pub fn invalid_resource(resource: &Resource, name: &str, errors: &[FieldError]) -> Self {
        let failure = Self::invalid(resource, name, errors);
        let rest = failure
            .message
            .split_once(" \"")
            .map_or("", |(_, rest)| rest);
        let message = format!("{} \"{rest}", resource.qualified());
        let details = failure.details.map(|mut details| {
            details["kind"] = resource.plural.into();
            details
        });
        Self {
            message,
            details,
            ..failure
        }
    }

    /// 501: what the embedded cluster does not do.
    #[must_use]
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(501, "NotImplemented", message)
    }

    /// The Status object.
    #[must_use]
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if let Some(token) = &self.continue_token {
            status["metadata"]["continue"] = token.as_str().into();
        }
        // The real server has none for what it does not expect.
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}
