//! OpenAPI's description of types to lines of the table.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use super::{
    Error,
    go_types::{GoField, GoTypes},
};

const PREFIXES: [(&str, &str); 2] = [("io.k8s.api.", ""), ("io.k8s.apimachinery.pkg.apis.", "")];

/// The described types, and the lines of those that were reached.
#[derive(Debug)]
pub(super) struct Types {
    go: GoTypes,
    described: BTreeMap<String, Value>,
    kinds: BTreeMap<String, String>,
    lines: BTreeMap<String, String>,
}

impl Types {
    pub(super) fn new(go: GoTypes) -> Self {
        Self {
            go,
            described: BTreeMap::new(),
            kinds: BTreeMap::new(),
            lines: BTreeMap::new(),
        }
    }

    /// Takes in a document of `/openapi/v3`.
    pub(super) fn add(&mut self, document: &Value) {
        let schemas = document["components"]["schemas"].as_object();
        for (name, schema) in schemas.into_iter().flatten() {
            self.described.insert(name.clone(), schema.clone());
        }
    }

    /// The type of a kind, and all types below it.
    pub(super) fn reach_kind(&mut self, api_version: &str, kind: &str) -> Result<(), Error> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let is_it = |schema: &Value| {
            let list = schema["x-kubernetes-group-version-kind"].as_array();
            list.into_iter()
                .flatten()
                .any(|it| it["group"] == group && it["version"] == version && it["kind"] == kind)
        };
        let found = self.described.iter().find(|(_, schema)| is_it(schema));
        let name = found
            .map(|(name, _)| name.clone())
            .ok_or_else(|| Error::Description {
                at: format!("{api_version} {kind}"),
                what: "no type".to_owned(),
            })?;
        self.kinds
            .insert(format!("{api_version} {kind}"), short(&name));
        self.reach(&name)
    }

    /// A type and all types below it.
    pub(super) fn reach(&mut self, name: &str) -> Result<(), Error> {
        if self.lines.contains_key(&short(name)) {
            return Ok(());
        }
        let schema = self
            .described
            .get(name)
            .cloned()
            .ok_or_else(|| unknown(name, &Value::Null))?;
        // Before its fields, so that a type that contains itself ends.
        self.lines.insert(short(name), String::new());
        let mut lines = format!("type {}", short(name));
        if schema["x-kubernetes-map-type"] == "atomic" {
            lines.push_str(" atomic");
        }
        lines.push('\n');
        let go = self.go.fields(name)?;
        let properties = schema["properties"].as_object();
        let properties: BTreeMap<_, _> = properties.into_iter().flatten().collect();
        for (field, schema) in properties {
            let at = format!("{name}.{field}");
            let go = go
                .iter()
                .find(|it| it.name == *field)
                .ok_or_else(|| unknown(&at, schema))?;
            let shape = self.shape(&at, schema)?;
            let flags = flags(&at, &shape, schema, go, name)?;
            let _ = writeln!(lines, "  {field} {shape}{flags}");
        }
        self.lines.insert(short(name), lines);
        Ok(())
    }

    /// The table: kinds, then types, each in order.
    pub(super) fn table(&self) -> String {
        let mut table = String::new();
        for (kind, of) in &self.kinds {
            let _ = writeln!(table, "kind {kind} {of}");
        }
        for lines in self.lines.values() {
            table.push_str(lines);
        }
        table
    }

    fn shape(&mut self, at: &str, schema: &Value) -> Result<String, Error> {
        if let Some(name) = reference(schema) {
            return self.referred(name);
        }
        let format = schema["format"].as_str().unwrap_or_default();
        Ok(match (schema["type"].as_str(), format) {
            (Some("string"), "") => "string".to_owned(),
            (Some("string"), "byte") => "bytes".to_owned(),
            (Some("integer"), "int32" | "int64") => format.to_owned(),
            (Some("boolean"), _) => "bool".to_owned(),
            (Some("array"), _) => format!("[]{}", self.shape(at, &schema["items"])?),
            (Some("object"), _) if schema.get("additionalProperties").is_some() => {
                format!("{{}}{}", self.shape(at, &schema["additionalProperties"])?)
            }
            _ => return Err(unknown(at, schema)),
        })
    }

    fn referred(&mut self, name: &str) -> Result<String, Error> {
        let known = match name.rsplit('.').next().unwrap_or_default() {
            "IntOrString" => "int-or-string",
            "Quantity" => "quantity",
            "Time" => "time",
            "MicroTime" => "micro-time",
            "RawExtension" | "FieldsV1" => "any",
            _ => {
                self.reach(name)?;
                return Ok(format!("@{}", short(name)));
            }
        };
        Ok(known.to_owned())
    }
}

fn reference(schema: &Value) -> Option<&str> {
    let one = schema["allOf"].get(0).unwrap_or(schema);
    one["$ref"].as_str()?.rsplit('/').next()
}

fn flags(at: &str, shape: &str, schema: &Value, go: &GoField, of: &str) -> Result<String, Error> {
    let mut flags = String::new();
    let mut add = |flag: &str| {
        flags.push(' ');
        flags.push_str(flag);
    };
    if go.pointer {
        add("pointer");
    }
    // Go's `omitempty` is not for structs, which times are.
    if go.kept || (matches!(shape, "time" | "micro-time") && !go.pointer && !go.omits_zero) {
        add("kept");
    }
    let patch = schema["x-kubernetes-patch-strategy"].as_str();
    let key = schema["x-kubernetes-patch-merge-key"].as_str();
    let merged = patch.is_some_and(|it| it.split(',').any(|it| it == "merge"));
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => add("set"),
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array();
            let keys = keys.into_iter().flatten().filter_map(Value::as_str);
            add(&format!("map={}", keys.collect::<Vec<_>>().join(",")));
        }
        Some("atomic") => {}
        None if !shape.starts_with("[]") || !merged => {}
        // What apply does with a list that has only a patch strategy.
        None => add(&key.map_or_else(|| "set".to_owned(), |key| format!("map={key}"))),
        Some(_) => return Err(unknown(at, schema)),
    }
    if schema["x-kubernetes-map-type"] == "atomic" {
        add("atomic");
    }
    if let Some(patch) = patch {
        add(&format!("patch={patch}"));
    }
    if let Some(key) = key {
        add(&format!("key={key}"));
    }
    match schema.get("default") {
        Some(Value::Object(map)) if map.is_empty() => {}
        Some(default) => add(&format!("default={default}")),
        None => {}
    }
    let mut package = of.rsplit('.');
    let package = package.nth(1).unwrap_or_default();
    let printed = go.go.replace('$', package);
    if printed != expected(shape) {
        add(&format!("go={printed}"));
    }
    if let Some(embedded) = &go.embedded {
        add(&format!("in={embedded}"));
    }
    Ok(flags)
}

/// How Go prints a shape that has no name of its own.
fn expected(shape: &str) -> String {
    if let Some(item) = shape.strip_prefix("[]") {
        return format!("[]{}", expected(item));
    }
    if let Some(value) = shape.strip_prefix("{}") {
        return format!("map[string]{}", expected(value));
    }
    if let Some(name) = shape.strip_prefix('@') {
        let mut parts = name.rsplitn(3, '.');
        let (last, package) = (parts.next(), parts.next());
        return format!(
            "{}.{}",
            package.unwrap_or_default(),
            last.unwrap_or_default()
        );
    }
    match shape {
        "bytes" => "[]uint8",
        "quantity" => "resource.Quantity",
        "int-or-string" => "intstr.IntOrString",
        "time" => "v1.Time",
        "micro-time" => "v1.MicroTime",
        "any" => "runtime.RawExtension",
        same => same,
    }
    .to_owned()
}

fn short(name: &str) -> String {
    let cut =
        |(prefix, new): &(&str, &str)| name.strip_prefix(prefix).map(|it| format!("{new}{it}"));
    PREFIXES
        .iter()
        .find_map(cut)
        .unwrap_or_else(|| name.to_owned())
}

fn unknown(at: &str, schema: &Value) -> Error {
    Error::Description {
        at: at.to_owned(),
        what: schema.to_string(),
    }
}
