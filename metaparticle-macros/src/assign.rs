//! Reads the value of each key into its place in the [`Draft`].

use std::num::{NonZeroU16, NonZeroU32};

use metaparticle_spec::{
    Drain, EnvName, Gate, ImageRef, Key, KeyHeader, KeyParameter, Name, Namespace, OnExit,
    PathRegex, PathTemplate, Port, Probe, Quantity, Repository, ShardKey, Slots, SpecError, Tag,
    Unmatched,
};
use proc_macro2::Span;
use quote::ToTokens;
use syn::{Expr, Lit, spanned::Spanned};

use crate::{
    errors::Errors,
    keys,
    model::{Draft, said_twice},
    parse::{Arg, Value},
    value::{At, Field, integer, literal},
};

impl Draft {
    /// Reads a value into its place, and says where it was written.
    pub fn assign(&mut self, key: Key, field: &Field<'_>, errors: &mut Errors) -> Option<Span> {
        match key {
            Key::Name => put(&mut self.name, field.text(errors, Name::parse)),
            Key::Repository => put(&mut self.repository, field.text(errors, Repository::parse)),
            Key::Tag => put(&mut self.tag, field.text(errors, Tag::parse)),
            Key::Namespace => put(&mut self.namespace, field.text(errors, Namespace::parse)),
            Key::Context => put(&mut self.context, field.text(errors, Ok::<_, SpecError>)),
            Key::Ports => self.ports(field, errors),
            Key::Public => set(&mut self.public, field.flag(errors)),
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
                let known = [("detach", OnExit::Detach), ("delete", OnExit::Delete)];
                set(&mut self.on_exit, field.text(errors, one_of(key, known)))
            }
            Key::Coordination if matches!(field.value, Value::List(..)) => {
                self.coordination = true;
                self.nested(keys::COORDINATION, field, errors)
            }
            Key::Coordination => set(&mut self.coordination, field.flag(errors)),
            Key::Policy => set(&mut self.policy, field.flag(errors)),
            Key::Replicas => put(&mut self.replicas, field.number(errors, count(key))),
            Key::Shards => put(&mut self.shards, field.number(errors, count(key))),
            Key::ShardKey => self.shard_key(key, field, errors, |text| {
                PathTemplate::parse(text).map(ShardKey::Path)
            }),
            Key::ShardKeyRegex => self.shard_key(key, field, errors, |text| {
                PathRegex::parse(text).map(ShardKey::Regex)
            }),
            Key::ShardKeyHeader => self.shard_key(key, field, errors, |text| {
                KeyHeader::parse(text).map(ShardKey::Header)
            }),
            Key::ShardKeyQuery => self.shard_key(key, field, errors, |text| {
                KeyParameter::parse(text).map(ShardKey::Query)
            }),
            Key::Slots => set(&mut self.slots, field.number(errors, Slots::try_new)),
            Key::Unmatched => {
                let known = [("any", Unmatched::Any), ("404", Unmatched::NotFound)];
                set(&mut self.unmatched, field.text(errors, one_of(key, known)))
            }
            Key::Router => put(&mut self.router, field.number(errors, count(key))),
            Key::Gate => {
                let known = [("pod", Gate::Pod), ("none", Gate::None)];
                set(&mut self.gate, field.text(errors, one_of(key, known)))
            }
            Key::Drain => set(&mut self.drain, field.number(errors, Drain::try_new)),
            Key::Completions => put(&mut self.completions, field.number(errors, count(key))),
            Key::Parallelism => put(&mut self.parallelism, field.number(errors, count(key))),
            other => unreachable!(
                "`{}` is in the tables of keys and has a place",
                other.as_str()
            ),
        }
    }

    /// `key = "…"` and its like: a request has one key.
    fn shard_key(
        &mut self,
        key: Key,
        field: &Field<'_>,
        errors: &mut Errors,
        parse: impl FnOnce(String) -> Result<ShardKey, SpecError>,
    ) -> Option<Span> {
        let read = field.text(errors, parse);
        let said = keys::SHARD_KEYS
            .iter()
            .find(|it| **it != key && self.places.contains_key(it));
        if let Some(said) = said {
            let (key, said) = (key.as_str(), said.as_str());
            errors.at(
                field.span,
                format!("`{key}` contradicts `{said}`: a request has one key"),
            );
        }
        put(&mut self.shard_key, read)
    }

    /// `ports = [8080, "admin:9000"]`
    fn ports(&mut self, field: &Field<'_>, errors: &mut Errors) -> Option<Span> {
        let list = field.array(errors)?;
        for element in list.value {
            let port = port(element, errors);
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
            let (key, value) = match arg {
                Arg::Keyed(key, value) => (key, value),
                Arg::Positional(value) => {
                    errors.over(
                        value,
                        format!("expected a variable: write `{}`", field.example),
                    );
                    continue;
                }
                Arg::Broken => continue,
            };
            let name = EnvName::parse(&*key.text).map_err(|e| syn::Error::new(key.span, e));
            let example = match value {
                Value::Is(number)
                    if matches!(
                        literal(number),
                        Some(Lit::Int(_) | Lit::Bool(_) | Lit::Float(_))
                    ) =>
                {
                    format!("{} = \"{}\"", key.text, number.to_token_stream())
                }
                _ => format!("{} = \"…\"", key.text),
            };
            let text = Field::of(key, value, &example).text(errors, Ok::<_, SpecError>);
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
                Arg::Keyed(key, _) if key.is_quoted => {
                    let example = known[0].1;
                    errors.at(
                        key.span,
                        format!("expected a key, not a string: write `{example}`"),
                    );
                }
                Arg::Keyed(key, value) => match keys::find(&key.text, known) {
                    Some(known) => self.set(known, &Field::of(key, value, known.1), errors),
                    None => errors.at(key.span, keys::unknown_in_list(&key.text, known)),
                },
                Arg::Positional(value) => {
                    errors.over(value, format!("a key is missing: write `{}`", known[0].1));
                }
                Arg::Broken => {}
            }
        }
        Some(list.span)
    }
}

/// `8080` or `"admin:9000"`
fn port(element: &Expr, errors: &mut Errors) -> Option<Port> {
    let port = match (literal(element), integer(element)) {
        (Some(Lit::Str(text)), _) => Port::parse(text.value()),
        (_, Some(number)) => Port::from_number(number),
        _ => {
            let message = "expected a port: write `8080` or `\"admin:9000/tcp\"`";
            errors.over(element, message);
            return None;
        }
    };
    errors.take(port.map_err(|e| syn::Error::new_spanned(element, e)))
}

fn put<T>(place: &mut Option<T>, read: Option<At<T>>) -> Option<Span> {
    let At { value, span } = read?;
    *place = Some(value);
    Some(span)
}

fn set<T>(place: &mut T, read: Option<At<T>>) -> Option<Span> {
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

/// One of two words.
fn one_of<T: Copy>(
    key: Key,
    known: [(&'static str, T); 2],
) -> impl FnOnce(String) -> Result<T, String> {
    move |text| {
        let found = known.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let [(first, _), (second, _)] = known;
            let key = key.as_str();
            format!("`{key}` must be \"{first}\" or \"{second}\", not \"{text}\"")
        })
    }
}
