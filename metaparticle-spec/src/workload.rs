//! [`Workload`]: what kind of program it is, and how many copies run.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::SpecError;

/// What kind of program it is, and how many copies run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Workload {
    /// A service of equal copies: a Deployment.
    Replicated {
        /// Number of pods.
        replicas: NonZeroU32,
    },
    /// A service whose requests are divided by key: a StatefulSet with a headless Service.
    Sharded {
        /// Number of shards, one pod each.
        shards: NonZeroU32,
        /// How a request gives its key.
        key: ShardKey,
    },
    /// A program that ends: a Job.
    Job {
        /// Number of successful runs that make the job complete.
        completions: NonZeroU32,
        /// Number of pods that run at the same time, at most.
        parallelism: NonZeroU32,
    },
}

/// How a request gives its shard key: a path template with one named capture, such as `/users/{id}/…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShardKey(String);

impl ShardKey {
    /// Checks and takes a path template: segments split on `/`, exactly one of them `{name}`, the last optionally `…`
    /// (or `*`), which stands for any rest.
    ///
    /// # Errors
    /// [`SpecError::ShardKey`] with the rule that is broken.
    pub fn parse(template: impl Into<String>) -> Result<Self, SpecError> {
        let template = template.into();
        match broken_rule(&template) {
            None => Ok(Self(template)),
            Some(rule) => Err(SpecError::ShardKey(template, rule)),
        }
    }

    /// The template.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn broken_rule(template: &str) -> Option<&'static str> {
    let Some(path) = template.strip_prefix('/') else {
        return Some("begin it with `/`, such as \"/users/{id}/…\"");
    };
    if path.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
        return Some("it is matched against the path, which has neither white space, `?` nor `#`");
    }
    let segments: Vec<&str> = path.split('/').collect();
    let mut captures = 0;
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        match segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(name)
                if name.is_empty()
                    || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                return Some("name the capture with letters, digits and `_`, such as `{id}`");
            }
            Some(_) => captures += 1,
            None if segment.contains(['{', '}']) => {
                return Some("a capture is a whole segment, such as `/{id}/`");
            }
            None if matches!(*segment, "…" | "*") && !last => {
                return Some("`…` may only be the last segment");
            }
            None if segment.is_empty() && !last => return Some("it has an empty segment"),
            None => {}
        }
    }
    match captures {
        0 => Some("it has no capture; write one segment as `{id}`"),
        1 => None,
        _ => Some("it has more than one capture; a key is one segment"),
    }
}

crate::name::checked_text!(ShardKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_with_one_capture_are_taken() {
        for text in [
            "/{id}",
            "/users/{id}",
            "/users/{user_id}/…",
            "/{id}/*",
            "/{a}/",
            "/v1.0/{x}/end",
        ] {
            assert_eq!(ShardKey::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn each_broken_template_is_told_its_rule() {
        for (text, rule) in [
            ("users/{id}", "begin it with `/`"),
            ("", "begin it with `/`"),
            ("/users", "no capture"),
            ("/{a}/{b}", "more than one capture"),
            ("/{}", "name the capture"),
            ("/{a-b}", "name the capture"),
            ("/x{id}", "a whole segment"),
            ("/{id", "a whole segment"),
            ("/…/{id}", "only be the last segment"),
            ("//{id}", "an empty segment"),
            ("/a b/{id}", "white space"),
            ("/a/{id}?x=*", "white space, `?` nor `#`"),
        ] {
            let error = ShardKey::parse(text).unwrap_err().to_string();
            assert!(error.contains(rule), "{text}: {error}");
        }
    }
}
