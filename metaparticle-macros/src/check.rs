//! From a [`Draft`] to an [`AppSpec`]: defaults, what is missing, and the rules between values.

use std::num::NonZeroU32;

use metaparticle_spec::{
    AppSpec, Build, Key, Name, PathTemplate, ShardKey, Sharding, Tag, Violation, Workload,
};
use proc_macro2::{Ident, Span};

use crate::{errors::Errors, keys::SHARD_KEYS, model::Draft};

/// Completes the draft. The result is what the user wrote only if `errors` stays empty: a stand-in takes the place of
/// what is wrong, so that the rules about the rest can still be checked.
pub fn app(mut draft: Draft, build: &Build, errors: &mut Errors) -> AppSpec {
    let workload = workload(&mut draft, errors);
    let name = draft.name.take().unwrap_or_else(|| {
        default_name(&build.bin).unwrap_or_else(|| {
            if !draft.places.contains_key(&Key::Name) {
                draft.failed.insert(Key::Name);
                errors.at(
                    Span::call_site(),
                    format!(
                        "the binary's name `{}` cannot name Kubernetes objects: set `name = \"…\"` to 1 to 63 \
                         lower-case letters, digits and `-`",
                        build.bin
                    ),
                );
            }
            stand_in_name()
        })
    });
    let tag = draft.tag.take().unwrap_or_else(|| default_tag(build));
    let spec = AppSpec {
        name,
        repository: draft.repository.take(),
        tag,
        namespace: draft.namespace.take(),
        context: draft.context.take(),
        ports: std::mem::take(&mut draft.ports),
        public: draft.public,
        env: std::mem::take(&mut draft.env),
        resources: std::mem::take(&mut draft.resources),
        probes: std::mem::take(&mut draft.probes),
        base: draft.base.take(),
        on_exit: draft.on_exit,
        coordination: draft.coordination,
        policy: draft.policy,
        workload,
    };
    for violation in spec.check() {
        let is_follow_up = violation.keys.iter().any(|key| draft.failed.contains(key));
        if !is_follow_up {
            errors.at(place(&violation, &draft), &violation.error);
        }
    }
    spec
}

fn workload(draft: &mut Draft, errors: &mut Errors) -> Workload {
    let one = NonZeroU32::MIN;
    let Some(attribute) = draft.workload.clone() else {
        return if is_service(draft) {
            Workload::Replicated { replicas: one }
        } else {
            Workload::Job {
                completions: one,
                parallelism: one,
            }
        };
    };
    if draft.is_contradictory {
        draft.failed.extend(WORKLOAD_KEYS);
    }
    let mut missing = |key: Key, message: &str| {
        if draft.failed.insert(key) {
            errors.at(attribute.span(), message);
        }
    };
    match &*attribute.to_string() {
        "replicated" => Workload::Replicated {
            replicas: draft.replicas.unwrap_or_else(|| {
                missing(
                    Key::Replicas,
                    "how many replicas? write `#[replicated(replicas = 4)]`",
                );
                one
            }),
        },
        "sharded" => {
            let shards = draft.shards.unwrap_or_else(|| {
                missing(
                    Key::Shards,
                    "how many shards? write `#[sharded(shards = 3, key = \"…\")]`",
                );
                one
            });
            Workload::Sharded(sharding(draft, &attribute, shards, errors))
        }
        _ => Workload::Job {
            completions: draft.completions.unwrap_or(one),
            parallelism: draft.parallelism.unwrap_or(one),
        },
    }
}

fn sharding(
    draft: &mut Draft,
    attribute: &Ident,
    shards: NonZeroU32,
    errors: &mut Errors,
) -> Sharding {
    let key = draft.shard_key.take().unwrap_or_else(|| {
        if SHARD_KEYS.iter().all(|key| !draft.failed.contains(key)) {
            draft.failed.extend(SHARD_KEYS);
            errors.at(
                attribute.span(),
                "by which key are requests divided? write `#[sharded(shards = …, key = \"/users/{id}/…\")]`, or \
                 one of `key_regex`, `key_header` and `key_query`",
            );
        }
        let template = PathTemplate::parse("/{key}/…");
        ShardKey::Path(template.expect("a template with one capture is valid"))
    });
    Sharding {
        slots: draft.slots,
        unmatched: draft.unmatched,
        router: draft.router,
        gate: draft.gate,
        drain: draft.drain,
        ..Sharding::new(shards, key)
    }
}

const WORKLOAD_KEYS: [Key; 8] = [
    Key::Replicas,
    Key::Shards,
    Key::ShardKey,
    Key::ShardKeyRegex,
    Key::ShardKeyHeader,
    Key::ShardKeyQuery,
    Key::Completions,
    Key::Parallelism,
];

/// Without an attribute that says so, a program that listens is a service, and any other a job. Who is `public` or has
/// `probes` means a service, too, and is told that its ports are missing.
fn is_service(draft: &Draft) -> bool {
    let ports = !draft.ports.is_empty() || draft.failed.contains(&Key::Ports);
    ports || draft.public || draft.places.contains_key(&Key::Probes)
}

/// Where a broken rule is reported: at the first of its keys that was said, else at the whole attribute.
fn place(violation: &Violation, draft: &Draft) -> Span {
    let first = violation.keys.first();
    let item = violation.item.and_then(|index| match first {
        Some(Key::Ports) => draft.port_places.get(index),
        Some(Key::Env) => draft.env_places.values().nth(index),
        _ => None,
    });
    item.or_else(|| {
        let mut said = violation.keys.iter();
        said.find_map(|key| draft.places.get(key))
    })
    .copied()
    .or_else(|| draft.workload.as_ref().map(Ident::span))
    .unwrap_or_else(Span::call_site)
}

/// Cargo names binaries with letters that objects must not have.
fn default_name(bin: &str) -> Option<Name> {
    Name::parse(bin.to_lowercase().replace('_', "-")).ok()
}

/// `+` of build metadata has no place in a tag.
fn default_tag(build: &Build) -> Tag {
    Tag::parse(build.version.replace('+', "-"))
        .unwrap_or_else(|_| Tag::parse("latest").expect("a word is a valid tag"))
}

fn stand_in_name() -> Name {
    Name::parse("app").expect("a word is a valid name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_names_the_application_where_it_can() {
        let name = |bin| default_name(bin).map(String::from);
        assert_eq!(name("My_App").as_deref(), Some("my-app"));
        assert_eq!(name("9lives"), None);
        assert_eq!(name("web_"), None);
    }

    #[test]
    fn build_metadata_of_a_version_gets_into_the_tag() {
        let build = Build {
            package: String::new(),
            version: "1.2.3-rc.1+2026".to_owned(),
            bin: String::new(),
            example: false,
            features: Vec::new(),
            rustc: String::new(),
            manifest_dir: String::new(),
            package_path: String::new(),
        };
        assert_eq!(default_tag(&build).as_str(), "1.2.3-rc.1-2026");
    }
}
