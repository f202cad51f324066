//! [`KeySource`]: where in a request its key is.

mod query;
mod template;

use std::{borrow::Cow, fmt, sync::Arc};

use http::{HeaderName, request::Parts};
use percent_encoding::percent_decode;
use regex::bytes::{Regex, RegexBuilder};

use self::template::Template;
use crate::{Reason, Refusal, head};

/// Where in a request its key is. The same bytes are asked for with `owner(key)`.
#[derive(Clone)]
pub struct KeySource(Source);

#[derive(Clone)]
enum Source {
    Path(Template),
    Regex(Regex),
    Header(HeaderName),
    Query(Box<str>),
    Function(Arc<Function>),
}

type Function = dyn for<'a> Fn(&'a Parts) -> Option<Cow<'a, [u8]>> + Send + Sync;

impl KeySource {
    /// A segment of the path, as in `/users/{id}/…`: literal segments, one `{name}`, which is the key, and as last segment
    /// `…` or `*`, which stands for any rest, also none. The raw path is split at `/`; nothing is normalised. A key is not
    /// empty, and percent-decoded once.
    ///
    /// # Errors
    /// [`KeyError::Template`] with the rule that is broken.
    pub fn path(template: &str) -> Result<Self, KeyError> {
        Template::parse(template)
            .map(|template| Self(Source::Path(template)))
            .map_err(|rule| KeyError::Template(template.to_owned(), rule))
    }

    /// The one group of a regular expression that matches the whole raw path. A key is not empty, and percent-decoded once.
    /// The expression works on bytes, in time linear in the path: `\w`, `\d` and the like mean ASCII, there are no
    /// references back and no looking around.
    ///
    /// # Errors
    /// [`KeyError::Regex`] if it is none, [`KeyError::Groups`] unless it has exactly one group.
    pub fn regex(pattern: &str) -> Result<Self, KeyError> {
        let build = |pattern: &str| {
            RegexBuilder::new(pattern)
                .unicode(false)
                .size_limit(1 << 20)
                .build()
                .map_err(|cause| KeyError::Regex(pattern.to_owned(), cause))
        };
        // Alone first: `a)(b` must not become right by what is put around it.
        let groups = build(pattern)?.captures_len() - 1;
        if groups != 1 {
            return Err(KeyError::Groups(pattern.to_owned(), groups));
        }
        build(&format!(r"\A(?:{pattern})\z")).map(|regex| Self(Source::Regex(regex)))
    }

    /// The value of a header. A key is not empty; the same header twice, with different values, is refused.
    ///
    /// # Errors
    /// [`KeyError::Header`] if it is no name, [`KeyError::Stripped`] if it is one that no request has here.
    pub fn header(name: &str) -> Result<Self, KeyError> {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| KeyError::Header(name.to_owned()))?;
        if head::is_stripped(parsed.as_str()) {
            return Err(KeyError::Stripped(parsed));
        }
        Ok(Self(Source::Header(parsed)))
    }

    /// The first value of a parameter of the query, decoded as a form's (`%20` and `+` are spaces). A key is not empty.
    ///
    /// # Errors
    /// [`KeyError::Query`] if the name is empty.
    pub fn query(name: &str) -> Result<Self, KeyError> {
        if name.is_empty() {
            return Err(KeyError::Query);
        }
        Ok(Self(Source::Query(name.into())))
    }

    /// What a function says. It sees the request as it came, without what clients may not say. An empty key is none.
    #[must_use]
    pub fn function(
        function: impl for<'a> Fn(&'a Parts) -> Option<Cow<'a, [u8]>> + Send + Sync + 'static,
    ) -> Self {
        Self(Source::Function(Arc::new(function)))
    }

    /// The key of a request; none if it has none.
    ///
    /// # Errors
    /// [`Reason::BadKey`] if it has two.
    pub fn key<'a>(&self, request: &'a Parts) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
        let key = match &self.0 {
            Source::Path(template) => template.capture(request.uri.path()).map(decoded),
            Source::Regex(regex) => regex
                .captures(request.uri.path().as_bytes())
                .and_then(|groups| groups.get(1))
                .map(|group| percent_decode(group.as_bytes()).into()),
            Source::Header(name) => {
                let mut values = request.headers.get_all(name).iter();
                let first = values.next();
                if values.any(|value| Some(value) != first) {
                    return Err(Reason::BadKey.into());
                }
                first.map(|value| value.as_bytes().into())
            }
            Source::Query(name) => request
                .uri
                .query()
                .and_then(|query| query::first(query, name)),
            Source::Function(function) => function(request),
        };
        Ok(key.filter(|key| !key.is_empty()))
    }
}

fn decoded(segment: &str) -> Cow<'_, [u8]> {
    percent_decode(segment.as_bytes()).into()
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Path(template) => write!(f, "path({template:?})"),
            Source::Regex(regex) => write!(f, "regex({:?})", regex.as_str()),
            Source::Header(name) => write!(f, "header({name})"),
            Source::Query(name) => write!(f, "query({name:?})"),
            Source::Function(_) => f.write_str("function"),
        }
    }
}

/// Why a key cannot be read in that way.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A path template that breaks a rule.
    #[error("the path template {0:?} is not valid: {1}")]
    Template(String, &'static str),
    /// No regular expression, or one that needs too much memory.
    #[error("the regular expression {0:?} is not valid")]
    Regex(String, #[source] regex::Error),
    /// No group, or several.
    #[error(
        "the regular expression {0:?} has {1} groups: must have one, which is the key; write others as `(?:…)`"
    )]
    Groups(String, usize),
    /// No name of a header.
    #[error("{0:?} is no name of a header")]
    Header(String),
    /// A header that ends at the gate, or that only gates may send.
    #[error(
        "the header {0} cannot be the key: it is taken off each request before the key is read"
    )]
    Stripped(HeaderName),
    /// No name of a parameter.
    #[error("the query parameter of the key has an empty name")]
    Query,
}
