//! Bodies of requests: text to objects that have the fields of their type and no others.
//!
//! [`object`] is for create and update: from the body at once. Patches use [`read_json`] or [`read_yaml`] for
//! themselves and [`typed`] for their result, and have words of their own for what is wrong.

mod document;
mod empty;
mod json;
mod quantity;
mod scalar;
mod typed;
mod words;
mod yaml;

use std::fmt::Write as _;

use serde_json::Value;

pub(in crate::api) use self::words::printed;
pub use self::{document::Document, quantity::Quantity};
use super::{failure::Failure, resource::Resource, schema, schema::Type};

/// What to do with fields that the type does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Drop them silently.
    Ignore,
    /// Drop them and say so in a `Warning` header.
    #[default]
    Warn,
    /// Refuse the request.
    Strict,
}

impl FieldValidation {
    /// What is told of unknown and repeated fields.
    ///
    /// # Errors
    /// All of them, when they are refused.
    pub fn judge(self, problems: Vec<String>) -> Result<Vec<String>, String> {
        match self {
            Self::Ignore => Ok(Vec::new()),
            Self::Strict if !problems.is_empty() => {
                Err(format!("strict decoding error: {}", problems.join(", ")))
            }
            _ => Ok(problems),
        }
    }
}

/// An object of its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// With known fields only, empty ones left out or written as the real server does.
    pub object: Value,
    /// What was dropped, one sentence each.
    pub warnings: Vec<String>,
}

/// The body of a create or update to an object of `resource`.
///
/// # Errors
/// 400, when the text is neither JSON nor YAML, of another kind, has a value of a wrong type, or (if `validation` is
/// strict) an unknown or repeated field.
pub fn object(
    resource: &'static Resource,
    body: &[u8],
    content_type: &str,
    validation: FieldValidation,
) -> Result<Decoded, Failure> {
    let unrecognized = |problem: &str| {
        let (kind, sent) = (resource.kind, summary(body));
        Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {problem} ({sent})"
        ))
    };
    let (document, repeated) = if content_type.contains("yaml") {
        yaml::read(body).map_err(|problem| unrecognized(&problem))?
    } else {
        let document = json::read(body).map_err(|problem| {
            unrecognized(&format!(
                "couldn't get version/kind; json parse error: {problem}"
            ))
        })?;
        (document, Vec::new())
    };
    let about = About::of(&document).map_err(|problem| unrecognized(&problem))?;
    about.decode(resource, document, repeated, validation)
}

/// A value to an object of `resource`, as [`object`].
///
/// # Errors
/// As [`object`].
pub fn decode(
    resource: &'static Resource,
    value: Value,
    validation: FieldValidation,
) -> Result<Decoded, Failure> {
    let document = Document::from(value);
    let about = About::of(&document).map_err(Failure::bad_request)?;
    about.decode(resource, document, Vec::new(), validation)
}

/// A JSON body of a type that is no served kind: `DeleteOptions`, `Scale`.
///
/// # Errors
/// What is wrong with it, in Go's words.
pub fn of_type(of: &'static Type, body: &[u8]) -> Result<Value, String> {
    Ok(typed::decode(of, json::read(body)?)?.0)
}

/// The body of a deletion: a `DeleteOptions`, which need not say what it is.
///
/// # Errors
/// What is wrong with it, in Go's words.
///
/// # Panics
/// When the table of types lacks it; a test holds it to that.
pub fn delete_options(body: &[u8], content_type: &str) -> Result<Value, String> {
    let document = if content_type.contains("yaml") {
        yaml::read(body)?.0
    } else {
        json::read(body)
            .map_err(|problem| format!("couldn't get version/kind; json parse error: {problem}"))?
    };
    if document == Document::Null {
        return Ok(Value::Null);
    }
    let about = About::of(&document)?;
    if !["", "DeleteOptions"].contains(&&*about.kind) {
        return Err(not_registered(&about.kind, &about.api_version()));
    }
    let of = schema::named("meta.v1.DeleteOptions").expect("the table has it");
    Ok(typed::decode(of, document)?.0)
}

/// JSON text as a tree.
///
/// # Errors
/// What is wrong with it, in Go's words.
pub fn read_json(body: &[u8]) -> Result<Document, String> {
    json::read(body)
}

/// YAML text as a tree, with its repeated keys.
///
/// # Errors
/// What is wrong with it: `yaml: line 3: …`.
pub fn read_yaml(body: &[u8]) -> Result<(Document, Vec<String>), String> {
    yaml::read(body)
}

/// An object of `resource` from what a patch made, and its unknown fields.
///
/// # Errors
/// What is wrong with it, in the words of the real server.
pub fn typed(resource: &'static Resource, value: Value) -> Result<(Value, Vec<String>), String> {
    let document = Document::from(value);
    let about = About::of(&document)?;
    let (mut object, problems) = identified(resource, document, &about)?;
    name_kind(resource, &mut object);
    Ok((object, problems))
}

/// As [`typed`], from a value that the real server has in memory: after a strategic merge patch or an apply. Its words
/// are others, and it looks at neither `apiVersion` nor `kind`.
///
/// # Errors
/// What is wrong with it, in the words of the real server.
pub fn typed_unstructured(
    resource: &'static Resource,
    value: Value,
) -> Result<(Value, Vec<String>), String> {
    let document = Document::from(value);
    let (mut object, problems) = typed::decode_unstructured(schema::of(resource), document)?;
    name_kind(resource, &mut object);
    Ok((object, problems))
}

/// What Go makes of an object that has no field: `spec` and what else is always written.
#[must_use]
pub fn empty(resource: &'static Resource) -> Value {
    empty::empty_object(schema::of(resource))
}

/// What storage makes of an object: empty lists that are always written are `null`.
pub fn forget_empty_lists(resource: &'static Resource, object: &mut Value) {
    empty::forget_empty_lists(schema::of(resource), object);
}

/// A text as Go's `strconv.Quote` and `%q` write it.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        let _ = match character {
            '"' | '\\' => write!(quoted, "\\{character}"),
            '\n' => write!(quoted, "\\n"),
            '\r' => write!(quoted, "\\r"),
            '\t' => write!(quoted, "\\t"),
            '\x07' => write!(quoted, "\\a"),
            '\x08' => write!(quoted, "\\b"),
            '\x0b' => write!(quoted, "\\v"),
            '\x0c' => write!(quoted, "\\f"),
            '\0'..='\x1f' | '\x7f' => write!(quoted, "\\x{:02x}", u32::from(character)),
            '\u{80}'..='\u{a0}' | '\u{ad}' => write!(quoted, "\\u{:04x}", u32::from(character)),
            _ => write!(quoted, "{character}"),
        };
    }
    quoted.push('"');
    quoted
}

/// `apiVersion` and `kind` as they were sent.
#[derive(Debug, Default)]
struct About {
    group: String,
    version: String,
    kind: String,
}

impl About {
    fn of(document: &Document) -> Result<Self, String> {
        let problem = "couldn't get version/kind; json parse error: json: cannot unmarshal";
        let Document::Map(entries) = document else {
            let of = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
            let found = document.go_kind();
            return Err(format!("{problem} {found} into Go value of type {of}"));
        };
        let text = |name: &str| match entries.iter().rfind(|(key, _)| key == name) {
            None | Some((_, Document::Null)) => Ok(""),
            Some((_, Document::String(text))) => Ok(text.as_str()),
            Some((_, other)) => {
                let found = other.go_kind();
                Err(format!(
                    "{problem} {found} into Go struct field .{name} of type string"
                ))
            }
        };
        let api_version = text("apiVersion")?;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        if version.contains('/') {
            return Err(format!("unexpected GroupVersion string: {api_version}"));
        }
        Ok(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text("kind")?.to_owned(),
        })
    }

    fn api_version(&self) -> String {
        match &*self.group {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// With what `resource` has where nothing was sent.
    fn or<'t>(&'t self, resource: &'t Resource) -> (&'t str, &'t str, &'t str) {
        let kind = if self.kind.is_empty() {
            resource.kind
        } else {
            &self.kind
        };
        if self.version.is_empty() {
            (resource.group, resource.version, kind)
        } else {
            (&self.group, &self.version, kind)
        }
    }

    fn decode(
        &self,
        resource: &'static Resource,
        document: Document,
        mut warnings: Vec<String>,
        validation: FieldValidation,
    ) -> Result<Decoded, Failure> {
        let refused = |problem: String| self.refused(resource, &problem);
        let (mut object, unknown) = identified(resource, document, self).map_err(refused)?;
        name_kind(resource, &mut object);
        warnings.extend(unknown);
        let warnings = validation.judge(warnings).map_err(refused)?;
        Ok(Decoded { object, warnings })
    }

    fn refused(&self, resource: &Resource, problem: &str) -> Failure {
        let (_, version, kind) = self.or(resource);
        let expected = resource.kind;
        Failure::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {expected}: {problem}"
        ))
    }
}

fn identified(
    resource: &'static Resource,
    document: Document,
    about: &About,
) -> Result<(Value, Vec<String>), String> {
    let (group, version, kind) = about.or(resource);
    if (group, version, kind) == (resource.group, resource.version, resource.kind) {
        return typed::decode(schema::of(resource), document);
    }
    let api_version = match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    if Resource::of_kind(&api_version, kind).is_none() {
        return Err(not_registered(kind, &api_version));
    }
    let package = internal_package(resource);
    let expected = resource.kind;
    Err(format!(
        "converting ({version}.{kind}) to ({package}.{expected}): unknown conversion"
    ))
}

fn not_registered(kind: &str, api_version: &str) -> String {
    format!(
        "no kind \"{kind}\" is registered for version \"{api_version}\" in scheme \"pkg/runtime/scheme.go:111\""
    )
}

/// The Go package of the real server's own type.
fn internal_package(resource: &Resource) -> &'static str {
    match resource.group {
        "" => "core",
        group => group.split('.').next().unwrap_or(group),
    }
}

fn name_kind(resource: &Resource, object: &mut Value) {
    object["apiVersion"] = resource.api_version().into();
    object["kind"] = resource.kind.into();
}

/// The start of a body, as errors show it.
fn summary(body: &[u8]) -> String {
    const MOST: usize = 30;
    let start = &body[..body.len().min(MOST)];
    let shown = match body.first() {
        None => return "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(start).into_owned(),
        Some(_) => start.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
    };
    let more = if body.len() > MOST { " ..." } else { "" };
    format!("{shown}{more}")
}

#[cfg(test)]
mod tests;
