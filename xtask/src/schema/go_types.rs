//! What OpenAPI does not say about a field: whether Go has a pointer there, leaves it out when it is empty, how Go
//! prints its type, and which embedded struct it is in. Read from the structs in the Go sources.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use super::Error;
use crate::file::failed;

/// The structs of Kubernetes' Go packages, read when they are asked for.
#[derive(Debug)]
pub(super) struct GoTypes {
    api: PathBuf,
    machinery: PathBuf,
    sources: HashMap<PathBuf, String>,
}

/// One field of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GoField {
    /// By its name in JSON.
    pub(super) name: String,
    /// As Go's `reflect` prints it, without a pointer.
    pub(super) go: String,
    pub(super) pointer: bool,
    /// Written even if it is empty.
    pub(super) kept: bool,
    /// Left out even if it is an empty struct.
    pub(super) omits_zero: bool,
    /// The embedded struct that it comes from.
    pub(super) embedded: Option<String>,
}

impl GoTypes {
    pub(super) fn new([api, machinery]: [PathBuf; 2]) -> Self {
        Self {
            api,
            machinery,
            sources: HashMap::new(),
        }
    }

    /// The fields of a type, by its name in OpenAPI; those of embedded structs included.
    pub(super) fn fields(&mut self, name: &str) -> Result<Vec<GoField>, Error> {
        let missing = || Error::Description {
            at: name.to_owned(),
            what: "its Go struct was not found".to_owned(),
        };
        let (path, of) = self.file(name).ok_or_else(missing)?;
        if !self.sources.contains_key(&path) {
            let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
            self.sources.insert(path.clone(), text);
        }
        fields(&self.sources[&path], of).ok_or_else(missing)
    }

    fn file<'n>(&self, name: &'n str) -> Option<(PathBuf, &'n str)> {
        let (root, rest): (&Path, _) = if let Some(rest) = name.strip_prefix("io.k8s.api.") {
            (&self.api, rest.to_owned())
        } else {
            let rest = name.strip_prefix("io.k8s.apimachinery.")?;
            (&self.machinery, rest.to_owned())
        };
        let (package, _) = rest.rsplit_once('.')?;
        let (_, of) = name.rsplit_once('.')?;
        Some((root.join(package.replace('.', "/")).join("types.go"), of))
    }
}

fn fields(source: &str, of: &str) -> Option<Vec<GoField>> {
    let (_, body) = source.split_once(&format!("\ntype {of} struct {{\n"))?;
    let (body, _) = body.split_once("\n}\n")?;
    let mut found = Vec::new();
    for line in body.lines().map(str::trim) {
        let Some((declaration, tag)) = line.split_once('`') else {
            continue;
        };
        let Some((json, _)) = tag
            .split_once("json:\"")
            .and_then(|(_, rest)| rest.split_once('"'))
        else {
            continue;
        };
        if declaration.starts_with("//") {
            continue;
        }
        let mut words = declaration.split_whitespace();
        let first = words.next()?;
        let mut options = json.split(',');
        let name = options.next()?;
        let Some(go) = words.next() else {
            // Embedded: named, as a field is (`metadata`), or inline.
            let embedded = first.rsplit('.').next()?;
            if !name.is_empty() {
                found.push(field(name, first, options));
            } else if embedded != "TypeMeta" {
                found.extend(fields(source, embedded)?.into_iter().map(|it| GoField {
                    embedded: Some(embedded.to_owned()),
                    ..it
                }));
            }
            continue;
        };
        found.push(field(name, go, options));
    }
    if !found.iter().any(|it| it.name == "kind") && body.contains("TypeMeta `json:\",inline\"") {
        for name in ["apiVersion", "kind"] {
            found.push(field(name, "string", ["omitempty"].into_iter()));
        }
    }
    Some(found)
}

fn field<'t>(name: &str, go: &str, options: impl Iterator<Item = &'t str>) -> GoField {
    let options: Vec<_> = options.collect();
    let omits_zero = options.contains(&"omitzero");
    GoField {
        name: name.to_owned(),
        go: printed(go.trim_start_matches('*')),
        pointer: go.starts_with('*'),
        kept: !omits_zero && !options.contains(&"omitempty"),
        omits_zero,
        embedded: None,
    }
}

/// A type in a source as Go's `reflect` prints it: every name with its package.
fn printed(go: &str) -> String {
    let mut out = String::new();
    let mut rest = go;
    while let Some(at) = rest.find(|it: char| it.is_alphanumeric()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest
            .find(|it: char| !it.is_alphanumeric() && it != '.')
            .unwrap_or(rest.len());
        let word = &rest[..end];
        let word = match word.split_once('.') {
            Some((package, name)) if package.ends_with("v1") => format!("v1.{name}"),
            None if word.starts_with(char::is_uppercase) => format!("$.{word}"),
            None if word == "byte" => "uint8".to_owned(),
            _ => word.to_owned(),
        };
        out.push_str(&word);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
type Probe struct {
\t// The action `json:\"no\"` taken
\tProbeHandler `json:\",inline\" protobuf:\"bytes,1\"`
\tTimeoutSeconds int32 `json:\"timeoutSeconds,omitempty\"`
\tPolicies []*PullPolicy `json:\"policies\"`
}
type ProbeHandler struct {
\tExec *ExecAction `json:\"exec,omitempty\"`
}
";

    #[test]
    fn fields_of_embedded_structs_are_fields_and_name_them() {
        let fields = fields(SOURCE, "Probe").unwrap();
        let names: Vec<_> = fields.iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["exec", "timeoutSeconds", "policies"]);
        assert_eq!(fields[0].embedded.as_deref(), Some("ProbeHandler"));
        assert!(fields[0].pointer && !fields[0].kept);
        assert!(!fields[1].pointer && !fields[1].kept);
        assert!(fields[2].kept);
    }

    #[test]
    fn types_are_printed_as_go_does() {
        assert_eq!(
            printed("map[ResourceName]resource.Quantity"),
            "map[$.ResourceName]resource.Quantity"
        );
        assert_eq!(printed("metav1.LabelSelector"), "v1.LabelSelector");
        assert_eq!(printed("[]byte"), "[]uint8");
    }
}
