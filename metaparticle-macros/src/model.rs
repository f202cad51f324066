//! [`Draft`]: what the whole stack says, merged; each value valid alone.
//!
//! Rules between values, and what is missing, are for [`crate::check`].

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use metaparticle_spec::{
    Drain, EnvName, Gate, ImageRef, Key, Name, Namespace, OnExit, Port, Probes, Repository,
    Resources, ShardKey, Slots, Tag, Unmatched,
};
use proc_macro2::{Ident, Span};
use syn::{Path, spanned::Spanned};

use crate::{
    errors::Errors,
    keys,
    parse::{Arg, Attribute, Key as Written, Value},
    value::Field,
};

/// What the whole stack says.
#[derive(Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own that the attributes take"
)]
pub struct Draft {
    /// The attribute that says what kind of program it is, and its place.
    pub workload: Option<Ident>,
    /// Whether two attributes say different kinds.
    pub is_contradictory: bool,
    pub root: Option<Path>,
    pub name: Option<Name>,
    pub repository: Option<Repository>,
    pub tag: Option<Tag>,
    pub namespace: Option<Namespace>,
    pub context: Option<String>,
    pub ports: Vec<Port>,
    pub public: bool,
    pub env: BTreeMap<EnvName, String>,
    pub resources: Resources,
    pub probes: Probes,
    pub base: Option<ImageRef>,
    pub on_exit: OnExit,
    pub coordination: bool,
    pub policy: bool,
    pub replicas: Option<NonZeroU32>,
    pub shards: Option<NonZeroU32>,
    pub shard_key: Option<ShardKey>,
    pub slots: Slots,
    pub unmatched: Unmatched,
    pub router: Option<NonZeroU32>,
    pub gate: Gate,
    pub drain: Drain,
    pub completions: Option<NonZeroU32>,
    pub parallelism: Option<NonZeroU32>,
    /// Where each key was said; its value's place once that is read.
    pub places: BTreeMap<Key, Span>,
    /// The places of the elements of `ports` and `env`, in the order of the specification.
    pub port_places: Vec<Span>,
    pub env_places: BTreeMap<EnvName, Span>,
    /// Keys whose value is wrong: nothing more is to be said about them.
    pub failed: BTreeSet<Key>,
}

impl Draft {
    /// Merges the attributes of a stack.
    pub fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut draft = Self::default();
        for attribute in attributes {
            draft.set_workload(&attribute.name, errors);
            let name = attribute.name.to_string();
            for (index, arg) in attribute.args.iter().enumerate() {
                match arg {
                    Arg::Keyed(key, value) if key.text == keys::CRATE.0 => {
                        draft.set_root(key, value, errors);
                    }
                    Arg::Keyed(key, value) => draft.set_key(&name, key, value, errors),
                    Arg::Positional(value) => {
                        let key = positional_key(&name, index == 0);
                        draft.set_positional(key, value, errors);
                    }
                    Arg::Broken => draft.excuse(&name),
                }
            }
        }
        draft
    }

    fn set_workload(&mut self, attribute: &Ident, errors: &mut Errors) {
        if attribute == "containerize" {
            return;
        }
        match &self.workload {
            Some(first) if first != attribute => {
                errors.at(
                    attribute.span(),
                    format!("#[{attribute}] contradicts #[{first}]: a program is replicated, sharded or a job"),
                );
                self.is_contradictory = true;
            }
            Some(_) => {}
            None => self.workload = Some(attribute.clone()),
        }
    }

    fn set_root(&mut self, key: &Written, value: &Value, errors: &mut Errors) {
        if self.root.is_some() {
            errors.at(key.span, said_twice(&key.text));
            return;
        }
        match value {
            Value::Is(syn::Expr::Path(path)) if path.qself.is_none() => {
                self.root = Some(path.path.clone());
            }
            value => Field::of(key, value, keys::CRATE.1).wrong(errors, "a path"),
        }
    }

    fn set_key(&mut self, attribute: &str, key: &Written, value: &Value, errors: &mut Errors) {
        if key.is_quoted {
            errors.at(
                key.span,
                "expected a key, not a string: write `key = value`",
            );
            return;
        }
        if let Some(known) = keys::find(&key.text, &keys::of(attribute)) {
            self.set(known, &Field::of(key, value, known.1), errors);
            return;
        }
        self.excuse(attribute);
        errors.at(key.span, keys::unknown_in_attribute(&key.text, attribute));
    }

    /// Something could not be read. One of the attribute's own keys may have been meant: that one is not missing, then.
    fn excuse(&mut self, attribute: &str) {
        self.failed
            .extend(keys::own(attribute).iter().map(|(key, _)| *key));
    }

    fn set_positional(&mut self, key: Option<keys::Known>, value: &syn::Expr, errors: &mut Errors) {
        match key {
            Some(known @ (Key::Replicas, _)) => {
                let span = value.span();
                let value = Value::Is(value.clone());
                let field = Field {
                    span,
                    value: &value,
                    example: known.1,
                };
                self.set(known, &field, errors);
            }
            Some((_, example)) => {
                errors.over(value, format!("a key is missing: write `{example}`"));
            }
            None => errors.over(value, "a key is missing: write `key = value`"),
        }
    }

    /// Reads a value once; a second value of the same key is a mistake, whatever it says.
    pub fn set(&mut self, (key, _): keys::Known, field: &Field<'_>, errors: &mut Errors) {
        if self.places.contains_key(&key) {
            errors.at(field.span, said_twice(key.as_str()));
            return;
        }
        self.places.insert(key, field.span);
        let before = errors.len();
        if let Some(place) = self.assign(key, field, errors) {
            self.places.insert(key, place);
        }
        if errors.len() > before || matches!(field.value, Value::Broken) {
            self.failed.insert(key);
        }
    }
}

/// The key that a lone number at the first place of an attribute stands for.
fn positional_key(attribute: &str, is_first: bool) -> Option<keys::Known> {
    keys::own(attribute).first().copied().filter(|_| is_first)
}

pub fn said_twice(key: &str) -> String {
    format!("`{key}` is said twice: say it once over all attributes of `main`")
}
