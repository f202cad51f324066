//! [`Answer`]: what a server answered, byte for byte.

use http::HeaderMap;
use serde_json::Value;

/// An answer that has arrived completely.
#[derive(Debug)]
pub struct Answer {
    /// `PUT /api/v1/…`, for messages.
    pub(crate) request: String,
    /// The namespace of the behaviour, written `NS` in expected messages.
    pub(crate) namespace: String,
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// One header, empty if it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The texts of all `Warning` headers.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let values = self.headers.get_all("warning").iter();
        values
            .filter_map(|value| value.to_str().ok())
            .map(|value| value.replace("\\\"", "\""))
            .map(|value| {
                let text = value.strip_prefix("299 - \"").unwrap_or(&value);
                text.strip_suffix('"').unwrap_or(text).to_owned()
            })
            .collect()
    }

    /// The body, after a check of the status code.
    #[must_use]
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(
            self.status,
            status,
            "{} answered {}",
            self.request,
            self.text()
        );
        self.json()
    }

    /// `details` of the Status, after a check of code, reason and message; the namespace is `NS` in the message.
    #[expect(clippy::must_use_candidate, reason = "the check is what it is for")]
    #[track_caller]
    pub fn refused(&self, code: u16, reason: &str, message: &str) -> Value {
        let status = self.json();
        let text = self.text();
        let said = status["message"].as_str().unwrap_or_default();
        let said = (
            self.status,
            status["reason"].as_str().unwrap_or_default(),
            said.replace(&self.namespace, "NS"),
        );
        assert_eq!(
            said,
            (code, reason, message.to_owned()),
            "{} answered {text}",
            self.request
        );
        for (field, value) in [
            ("kind", "Status".into()),
            ("apiVersion", "v1".into()),
            ("status", "Failure".into()),
            ("code", Value::from(code)),
        ] {
            assert_eq!(status[field], value, "{field} of {text}");
        }
        status["details"].clone()
    }
}
