//! The table as text to types. `cargo xtask schema` writes it; its head explains the lines.

use std::collections::HashMap;

use serde_json::Value;

use super::{Field, ListKind, Patch, Shape, Type};
use crate::api::resource::Resource;

/// The types that are in the table, by name; those of kinds also by kind.
#[derive(Debug)]
pub(super) struct Table {
    kinds: HashMap<String, Shape>,
    types: HashMap<&'static str, &'static Type>,
}

impl Table {
    /// # Panics
    /// When the text is not as `cargo xtask schema` writes it: the table is part of this crate.
    pub(super) fn parse(text: &'static str) -> Self {
        let mut sections: HashMap<&str, Section> = HashMap::new();
        let mut kinds = Vec::new();
        let mut last = "";
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with(' ') {
                let section = sections.get_mut(last).expect("a field follows its type");
                section.fields.push(line.trim_start());
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["kind", api_version, kind, of] => {
                    kinds.push((format!("{api_version} {kind}"), *of));
                }
                ["type", name, rest @ ..] => {
                    last = name;
                    let atomic = rest == ["atomic"];
                    let fields = Vec::new();
                    sections.insert(name, Section { atomic, fields });
                }
                _ => panic!("a line of the table is not understood: {line}"),
            }
        }
        let mut types = HashMap::new();
        for name in sections.keys() {
            build(name, &sections, &mut types);
        }
        let kinds = kinds.into_iter();
        let kinds = kinds.map(|(kind, of)| (kind, Shape::Struct(types[of], false)));
        Self {
            kinds: kinds.collect(),
            types,
        }
    }

    pub(super) fn kind(&self, resource: &Resource) -> Option<&Shape> {
        let key = format!("{} {}", resource.api_version(), resource.kind);
        self.kinds.get(&key)
    }

    pub(super) fn of_name(&self, name: &str) -> Option<&'static Type> {
        self.types.get(name).copied()
    }
}

struct Section {
    atomic: bool,
    fields: Vec<&'static str>,
}

/// A type after the types of its fields; they live as long as the program, as the table does.
fn build(
    name: &'static str,
    sections: &HashMap<&'static str, Section>,
    types: &mut HashMap<&'static str, &'static Type>,
) -> &'static Type {
    if let Some(built) = types.get(name) {
        return built;
    }
    let section = &sections[name];
    let fields = section.fields.iter();
    let fields = fields
        .map(|line| field(line, &mut |name| build(name, sections, types)))
        .collect();
    let built = Box::leak(Box::new(Type {
        name: name.to_owned(),
        atomic: section.atomic,
        fields,
    }));
    types.insert(name, built);
    built
}

fn field(line: &'static str, build: &mut dyn FnMut(&'static str) -> &'static Type) -> Field {
    let mut words = line.split(' ');
    let mut word = || words.next().expect("a field has a name and a shape");
    let (name, shape) = (word(), word());
    let mut field = Field {
        name: name.to_owned(),
        shape: self::shape(shape, build),
        pointer: false,
        kept: false,
        patch: Patch::default(),
        default: None,
        go: String::new(),
        embedded: None,
    };
    for flag in words {
        let (flag, value) = flag.split_once('=').unwrap_or((flag, ""));
        match flag {
            "pointer" => field.pointer = true,
            "kept" => field.kept = true,
            "set" => list_kind(&mut field.shape, ListKind::Set),
            "map" => {
                let keys = keys(&field.shape, value);
                list_kind(&mut field.shape, keys);
            }
            "atomic" => match &mut field.shape {
                Shape::Struct(_, atomic) | Shape::Map(_, atomic) => *atomic = true,
                other => panic!("a flag for maps on {other:?}"),
            },
            "patch" => {
                let has = |strategy| value.split(',').any(|it| it == strategy);
                field.patch.merge = has("merge");
                field.patch.replace = has("replace");
            }
            "key" => field.patch.key = Some(value.to_owned()),
            "default" => {
                field.default = Some(serde_json::from_str(value).expect("a default is JSON"));
            }
            "go" => value.clone_into(&mut field.go),
            "in" => field.embedded = Some(value.to_owned()),
            _ => panic!("a flag is not understood: {line}"),
        }
    }
    if field.go.is_empty() {
        field.go = field.shape.go_name();
    }
    field
}

fn shape(text: &'static str, build: &mut dyn FnMut(&'static str) -> &'static Type) -> Shape {
    if let Some(item) = text.strip_prefix("[]") {
        return Shape::List(Box::new(shape(item, build)), ListKind::Atomic);
    }
    if let Some(value) = text.strip_prefix("{}") {
        return Shape::Map(Box::new(shape(value, build)), false);
    }
    if let Some(name) = text.strip_prefix('@') {
        let of = build(name);
        return Shape::Struct(of, of.atomic);
    }
    match text {
        "string" => Shape::String,
        "int32" => Shape::Int32,
        "int64" => Shape::Int64,
        "bool" => Shape::Bool,
        "int-or-string" => Shape::IntOrString,
        "quantity" => Shape::Quantity,
        "time" => Shape::Time,
        "micro-time" => Shape::MicroTime,
        "bytes" => Shape::Bytes,
        "any" => Shape::Any,
        _ => panic!("a shape is not understood: {text}"),
    }
}

fn list_kind(shape: &mut Shape, of: ListKind) {
    match shape {
        Shape::List(_, kind) => *kind = of,
        other => panic!("a flag for lists on {other:?}"),
    }
}

fn keys(list: &Shape, names: &str) -> ListKind {
    let default = |key: &str| -> Option<Value> {
        let Shape::List(item, _) = list else {
            return None;
        };
        let Shape::Struct(of, _) = &**item else {
            return None;
        };
        of.field(key)?.default.clone()
    };
    let keys = names.split(',');
    ListKind::Keyed(keys.map(|key| (key.to_owned(), default(key))).collect())
}
