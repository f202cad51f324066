//! The types of the served kinds: fields, lists and their keys, maps, defaults. Read from a committed table.
//!
//! One schema serves decoding, strategic merge and apply. The latter two have keys of their own, which are never mixed:
//! [`Field::patch`] is strategic merge's, [`ListKind`] is apply's.

mod table;

use std::sync::LazyLock;

use serde_json::Value;

use self::table::Table;
use super::resource::Resource;

static TABLE: LazyLock<Table> =
    LazyLock::new(|| Table::parse(include_str!("../../../schema/kubernetes-1.36.txt")));

/// The type of a kind.
///
/// # Panics
/// When the table lacks the kind; a test holds it to all of [`super::resource::ALL`].
#[must_use]
pub fn of(resource: &Resource) -> &'static Type {
    match shape(resource) {
        Shape::Struct(of, _) => of,
        other => unreachable!("a kind is a struct, not {other:?}"),
    }
}

/// The type of a kind, as the shape of a value.
///
/// # Panics
/// As [`of`].
#[must_use]
pub fn shape(resource: &Resource) -> &'static Shape {
    let shape = TABLE.kind(resource);
    shape.expect("the table has every served kind")
}

/// A type by its name in the table, such as `meta.v1.DeleteOptions`.
#[must_use]
pub fn named(name: &str) -> Option<&'static Type> {
    TABLE.of_name(name)
}

/// A struct.
#[derive(Debug)]
pub struct Type {
    /// `apps.v1.DeploymentSpec`.
    pub name: String,
    /// Whether apply takes it as one value.
    pub atomic: bool,
    /// By name.
    pub fields: Vec<Field>,
}

/// A field of a struct.
#[derive(Debug)]
pub struct Field {
    /// As in JSON.
    pub name: String,
    /// Its type.
    pub shape: Shape,
    /// Whether Go tells an absent from an empty value.
    pub pointer: bool,
    /// Whether it is written although it is empty.
    pub kept: bool,
    /// How strategic merge treats it.
    pub patch: Patch,
    /// What apply takes for an absent key.
    pub default: Option<Value>,
    /// Go's name for its type, as errors print it.
    pub go: String,
    /// The embedded Go struct that it is in, as errors print it.
    pub embedded: Option<String>,
}

/// Strategic merge of a field.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Lists are merged, by `key` if they hold structs.
    pub merge: bool,
    /// Maps are replaced.
    pub replace: bool,
    /// patch-merge-key.
    pub key: Option<String>,
}

/// The type of a value.
#[derive(Debug)]
pub enum Shape {
    /// A text.
    String,
    /// 32 bits, signed.
    Int32,
    /// 64 bits, signed.
    Int64,
    /// True or false.
    Bool,
    /// An `intstr.IntOrString`.
    IntOrString,
    /// A `resource.Quantity`.
    Quantity,
    /// Seconds.
    Time,
    /// Microseconds.
    MicroTime,
    /// Base64.
    Bytes,
    /// Anything.
    Any,
    /// A struct; whether apply takes it as one value here.
    Struct(&'static Type, bool),
    /// A list.
    List(Box<Self>, ListKind),
    /// Names to values; whether apply takes it as one value.
    Map(Box<Self>, bool),
}

/// How apply tells the items of a list apart.
#[derive(Clone, Debug, PartialEq)]
pub enum ListKind {
    /// Not at all: it is one value.
    Atomic,
    /// By themselves.
    Set,
    /// By these fields, with what stands for an absent one.
    Keyed(Vec<(String, Option<Value>)>),
}

impl Type {
    /// A field by its name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.position(name).map(|at| &self.fields[at])
    }

    /// Where a field is in [`Self::fields`].
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        let order = |field: &Field| field.name.as_str().cmp(name);
        self.fields.binary_search_by(order).ok()
    }

    /// `DeploymentSpec`.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// `v1.DeploymentSpec`: as Go prints it.
    #[must_use]
    pub fn go_name(&self) -> &str {
        let package = self.name.rmatch_indices('.').nth(1);
        package.map_or(&self.name, |(at, _)| &self.name[at + 1..])
    }
}

impl Field {
    /// Whether Go writes it even if it was not given: its `omitempty` is not for structs.
    #[must_use]
    pub fn is_always_written(&self) -> bool {
        let unaffected = matches!(self.shape, Shape::Struct(..) | Shape::Quantity);
        self.kept || (unaffected && !self.pointer)
    }
}

impl Shape {
    /// As Go prints it, where the type has no name of its own.
    #[must_use]
    pub fn go_name(&self) -> String {
        match self {
            Self::String => "string".to_owned(),
            Self::Int32 => "int32".to_owned(),
            Self::Int64 => "int64".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::IntOrString => "intstr.IntOrString".to_owned(),
            Self::Quantity => "resource.Quantity".to_owned(),
            Self::Time => "v1.Time".to_owned(),
            Self::MicroTime => "v1.MicroTime".to_owned(),
            Self::Bytes => "[]uint8".to_owned(),
            Self::Any => "runtime.RawExtension".to_owned(),
            Self::Struct(of, _) => of.go_name().to_owned(),
            Self::List(item, _) => format!("[]{}", item.go_name()),
            Self::Map(value, _) => format!("map[string]{}", value.go_name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resource::{self, DEPLOYMENT};

    fn container() -> &'static Type {
        named("core.v1.Container").unwrap()
    }

    #[test]
    fn every_served_kind_has_a_type_with_metadata() {
        for resource in resource::ALL {
            assert!(of(resource).field("metadata").is_some(), "{resource:?}");
        }
        assert!(named("autoscaling.v1.Scale").is_some());
        assert!(named("meta.v1.DeleteOptions").is_some());
    }

    #[test]
    fn the_two_key_systems_differ_where_kubernetes_differs() {
        let ports = container().field("ports").unwrap();
        assert_eq!(ports.patch.key.as_deref(), Some("containerPort"));
        let Shape::List(_, ListKind::Keyed(keys)) = &ports.shape else {
            panic!("{ports:?}")
        };
        let keys: Vec<_> = keys.iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, ["containerPort", "protocol"]);
    }

    #[test]
    fn key_that_is_left_out_has_its_default() {
        let Shape::List(_, ListKind::Keyed(keys)) = &container().field("ports").unwrap().shape
        else {
            panic!("ports are keyed")
        };
        assert_eq!(keys[1].1, Some("TCP".into()));
    }

    #[test]
    fn selectors_are_atomic_where_they_are_used() {
        let spec = named("apps.v1.DeploymentSpec").unwrap();
        let Shape::Struct(selector, atomic) = spec.field("selector").unwrap().shape else {
            panic!("a selector is a struct")
        };
        assert!(atomic && selector.name == "meta.v1.LabelSelector");
    }

    #[test]
    fn go_names_are_those_of_go() {
        assert_eq!(of(&DEPLOYMENT).go_name(), "v1.Deployment");
        assert_eq!(container().short_name(), "Container");
        assert_eq!(container().field("ports").unwrap().go, "[]v1.ContainerPort");
        assert_eq!(
            container().field("imagePullPolicy").unwrap().go,
            "v1.PullPolicy"
        );
    }
}
