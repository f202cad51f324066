//! [`Draft`]: what the whole stack says, merged; each value valid alone.
//!
//! Rules between values, and what is missing, are for [`crate::check`].

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU16, NonZeroU32},
};

use metaparticle_spec::{
    EnvName, ImageRef, Key, Name, Namespace, OnExit, Port, Probe, Probes, Quantity, Repository,
    Resources, ShardKey, SpecError, Tag,
};
use proc_macro2::{Ident, Span};
use syn::{Lit, Path, spanned::Spanned};

use crate::{
    errors::Errors,
    keys,
    parse::{Arg, Attribute, Key as Written, Value},
    value::{At, Field, literal, number},
};

/// What the whole stack says.
#[derive(Default)]
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
    pub replicas: Option<NonZeroU32>,
    pub shards: Option<NonZeroU32>,
    pub shard_key: Option<ShardKey>,
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
            value => field(key, value, keys::CRATE.1).wrong(errors, "a path"),
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
        match keys::find(&key.text, &keys::of(attribute)) {
            Some(known) => self.set(known, &field(key, value, known.1), errors),
            None => {
                // One of its own keys may have been meant: that one is not missing, then.
                let own = keys::own(attribute).iter().map(|(key, _)| *key);
                self.failed.extend(own);
                errors.at(key.span, keys::unknown_in_attribute(&key.text, attribute));
            }
        }
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
                errors.over(value, format!("a key is missing: write `{example}`"))
            }
            None => errors.over(value, "a key is missing: write `key = value`"),
        }
    }

    /// Reads a value once; a second value of the same key is a mistake, whatever it says.
    fn set(&mut self, (key, _): keys::Known, field: &Field<'_>, errors: &mut Errors) {
        if self.places.contains_key(&key) {
            errors.at(field.span, said_twice(key.as_str()));
            return;
        }
        self.places.insert(key, field.span);
        let before = errors.len();
        if let Some(place) = self.assign(key, field, errors) {
            self.places.insert(key, place);
        }
        if errors.len() > before {
            self.failed.insert(key);
        }
    }

    /// Reads a value into its place, and says where it was written.
    fn assign(&mut self, key: Key, field: &Field<'_>, errors: &mut Errors) -> Option<Span> {
        match key {
            Key::Name => put(&mut self.name, field.text(errors, Name::parse)),
            Key::Repository => put(&mut self.repository, field.text(errors, Repository::parse)),
            Key::Tag => put(&mut self.tag, field.text(errors, Tag::parse)),
            Key::Namespace => put(&mut self.namespace, field.text(errors, Namespace::parse)),
            Key::Context => put(&mut self.context, field.text(errors, context)),
            Key::Ports => self.ports(field, errors),
            Key::Public => flag(&mut self.public, field.flag(errors)),
            Key::Env => self.env(field, errors),
            Key::Resources => self.nested(keys::RESOURCES, field, errors),
            Key::Cpu => put(&mut self.resources.cpu, field.text(errors, Quantity::parse)),
            Key::Memory => put(
                &mut self.resources.memory,
                field.text(errors, Quantity::parse),
            ),
            Key::CpuLimit => put(
                &mut self.resources.cpu_limit,
                field.text(errors, Quantity::parse),
            ),
            Key::MemoryLimit => put(
                &mut self.resources.memory_limit,
                field.text(errors, Quantity::parse),
            ),
            Key::Probes => self.nested(keys::PROBES, field, errors),
            Key::Readiness => put(&mut self.probes.readiness, field.text(errors, Probe::parse)),
            Key::Liveness => put(&mut self.probes.liveness, field.text(errors, Probe::parse)),
            Key::Startup => put(&mut self.probes.startup, field.text(errors, Probe::parse)),
            Key::ProbePort => put(&mut self.probes.port, field.number(errors, port_number)),
            Key::Base => put(&mut self.base, field.text(errors, ImageRef::parse)),
            Key::OnExit => {
                let read = field.text(errors, on_exit)?;
                self.on_exit = read.value;
                Some(read.span)
            }
            Key::Coordination => flag(&mut self.coordination, field.flag(errors)),
            Key::Replicas => put(&mut self.replicas, field.number(errors, count(key))),
            Key::Shards => put(&mut self.shards, field.number(errors, count(key))),
            Key::ShardKey => put(&mut self.shard_key, field.text(errors, ShardKey::parse)),
            Key::Completions => put(&mut self.completions, field.number(errors, count(key))),
            Key::Parallelism => put(&mut self.parallelism, field.number(errors, count(key))),
            other => unreachable!(
                "`{}` is in the tables of keys and has a place",
                other.as_str()
            ),
        }
    }

    /// `ports = [8080, "admin:9000"]`
    fn ports(&mut self, field: &Field<'_>, errors: &mut Errors) -> Option<Span> {
        let list = field.array(errors)?;
        for element in list.value {
            let port = match literal(element) {
                Some(Lit::Str(text)) => errors
                    .take(Port::parse(text.value()).map_err(|e| syn::Error::new(text.span(), e))),
                _ => match number(element, errors, Port::from_number) {
                    Some(port) => port.map(|port| port.value),
                    None => {
                        errors.over(
                            element,
                            "expected a port: write `8080` or `\"admin:9000/tcp\"`",
                        );
                        None
                    }
                },
            };
            if let Some(port) = port {
                self.ports.push(port);
                self.port_places.push(element.span());
            }
        }
        Some(list.span)
    }

    /// `env(LOG = "info", "my.var" = "x")`
    fn env(&mut self, field: &Field<'_>, errors: &mut Errors) -> Option<Span> {
        let list = field.list(errors)?;
        for arg in list.value {
            let Arg::Keyed(key, value) = arg else {
                errors.at(
                    list.span,
                    format!("expected variables: write `{}`", field.example),
                );
                continue;
            };
            let name = EnvName::parse(&*key.text).map_err(|e| syn::Error::new(key.span, e));
            let example = match value {
                Value::Is(number)
                    if matches!(
                        literal(number),
                        Some(Lit::Int(_) | Lit::Bool(_) | Lit::Float(_))
                    ) =>
                {
                    format!(
                        "{} = \"{}\"",
                        key.text,
                        quote::ToTokens::to_token_stream(number)
                    )
                }
                _ => format!("{} = \"…\"", key.text),
            };
            let text = self::field(key, value, &example).text(errors, Ok::<_, SpecError>);
            let (Some(name), Some(text)) = (errors.take(name), text) else {
                continue;
            };
            if self.env.contains_key(&name) {
                errors.at(key.span, said_twice(&key.text));
                continue;
            }
            self.env_places.insert(name.clone(), text.span);
            self.env.insert(name, text.value);
        }
        Some(list.span)
    }

    /// `resources(…)`, `probes(…)`
    fn nested(
        &mut self,
        known: &[keys::Known],
        field: &Field<'_>,
        errors: &mut Errors,
    ) -> Option<Span> {
        let list = field.list(errors)?;
        for arg in list.value {
            match arg {
                Arg::Keyed(key, value) => match keys::find(&key.text, known) {
                    Some(known) => self.set(known, &self::field(key, value, known.1), errors),
                    None => errors.at(key.span, keys::unknown_in_list(&key.text, known)),
                },
                Arg::Positional(value) => {
                    errors.over(value, format!("a key is missing: write `{}`", known[0].1));
                }
            }
        }
        Some(list.span)
    }
}

fn field<'a>(key: &Written, value: &'a Value, example: &'a str) -> Field<'a> {
    Field {
        span: key.span,
        value,
        example,
    }
}

/// The key that a lone number at the first place of an attribute stands for.
fn positional_key(attribute: &str, is_first: bool) -> Option<keys::Known> {
    keys::own(attribute).first().copied().filter(|_| is_first)
}

fn put<T>(place: &mut Option<T>, read: Option<At<T>>) -> Option<Span> {
    let At { value, span } = read?;
    *place = Some(value);
    Some(span)
}

fn flag(place: &mut bool, read: Option<At<bool>>) -> Option<Span> {
    let At { value, span } = read?;
    *place = value;
    Some(span)
}

/// Kubernetes counts in 32 bits with a sign.
fn count(key: Key) -> impl FnOnce(i128) -> Result<NonZeroU32, String> {
    move |number| {
        i32::try_from(number)
            .ok()
            .and_then(|number| u32::try_from(number).ok())
            .and_then(NonZeroU32::new)
            .ok_or_else(|| {
                format!(
                    "`{}` must be from 1 to {}, not {number}",
                    key.as_str(),
                    i32::MAX
                )
            })
    }
}

fn port_number(number: i128) -> Result<NonZeroU16, SpecError> {
    Port::from_number(number).map(|port| port.number)
}

fn context(name: String) -> Result<String, &'static str> {
    if name.is_empty() {
        Err("`context` must be the name of a context of the kubeconfig, not empty")
    } else {
        Ok(name)
    }
}

fn on_exit(text: String) -> Result<OnExit, String> {
    match &*text {
        "detach" => Ok(OnExit::Detach),
        "delete" => Ok(OnExit::Delete),
        _ => Err(format!(
            "`on_exit` must be \"detach\" or \"delete\", not \"{text}\""
        )),
    }
}

fn said_twice(key: &str) -> String {
    format!("`{key}` is said twice: say it once over all attributes of `main`")
}
