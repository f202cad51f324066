//! The environment of a container, as [`node`](super) documents it. Pure.

mod field;

use std::{collections::BTreeMap, env};

use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod};

pub(crate) use self::field::{Place, of_container as container_field, of_pod as pod_field};
use super::program;
use crate::proxy::Listening;

/// What is taken over from this process.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "RUST_LOG",
    "RUST_BACKTRACE",
    // Where `cargo run` has a program find its libraries.
    "LD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
];

/// Where `PATH` is not set.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables by name.
pub(crate) type Variables = BTreeMap<String, String>;

/// A kind whose objects hold values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// `ConfigMap`.
    ConfigMap,
    /// `Secret`.
    Secret,
}

/// The values of an object of the pod's namespace; `None` if it does not exist.
pub(crate) type Lookup<'a> = dyn Fn(Holder, &str) -> Option<BTreeMap<String, Vec<u8>>> + 'a;

impl Holder {
    /// `configmap "x" not found`.
    pub(crate) fn missing(self, name: &str) -> String {
        let kind = match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        };
        format!("{kind} \"{name}\" not found")
    }

    fn missing_key(self, key: &str, namespace: &str, name: &str) -> String {
        let kind = match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        };
        format!("couldn't find key {key} in {kind} {namespace}/{name}")
    }
}

/// What pods see of this process's environment.
pub(crate) fn inherited() -> Variables {
    let of = |name: &&str| Some(((*name).to_owned(), env::var(name).ok()?));
    let mut variables: Variables = INHERITED.iter().filter_map(of).collect();
    let path = variables.entry("PATH".to_owned());
    path.or_insert_with(|| DEFAULT_PATH.to_owned());
    variables
}

/// The variables that lead to the Services of a namespace.
pub(crate) fn of_services<'a>(services: impl IntoIterator<Item = &'a Listening>) -> Variables {
    let mut variables = Variables::new();
    for listening in services {
        let name = listening.service.to_uppercase().replace('-', "_");
        let (host, port) = (listening.actual.ip(), listening.actual.port());
        if let Some(port_name) = &listening.port_name {
            let port_name = port_name.to_uppercase().replace('-', "_");
            variables.insert(format!("{name}_SERVICE_PORT_{port_name}"), port.to_string());
        }
        let first = variables.entry(format!("{name}_SERVICE_PORT"));
        first.or_insert_with(|| port.to_string());
        variables.insert(format!("{name}_SERVICE_HOST"), host.to_string());
    }
    variables
}

/// Adds `envFrom` and `env` of a container to `base`, its whole surroundings so far.
///
/// # Errors
/// What is missing, in the kubelet's words.
pub(crate) fn of_container(
    pod: &Pod,
    container: &Container,
    place: &Place,
    base: Variables,
    lookup: &Lookup<'_>,
) -> Result<Variables, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let mut variables = base;
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let (holder, name, optional) = match (&source.config_map_ref, &source.secret_ref) {
            (Some(it), _) => (Holder::ConfigMap, &it.name, it.optional),
            (None, Some(it)) => (Holder::Secret, &it.name, it.optional),
            (None, None) => continue,
        };
        match lookup(holder, name) {
            Some(values) => variables.extend(values.into_iter().map(|(key, value)| {
                let value = String::from_utf8_lossy(&value).into_owned();
                (format!("{prefix}{key}"), value)
            })),
            None if optional == Some(true) => {}
            None => return Err(holder.missing(name)),
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (Some(text), _) if !text.is_empty() => {
                Some(program::expand(text, |name| variables.get(name).cloned()))
            }
            (_, Some(source)) => of_source(pod, container, place, source, lookup, namespace)?,
            (_, None) => Some(String::new()),
        };
        if let Some(value) = value {
            variables.insert(variable.name.clone(), value);
        }
    }
    Ok(variables)
}

/// `None`: the source is optional, and missing.
fn of_source(
    pod: &Pod,
    container: &Container,
    place: &Place,
    source: &EnvVarSource,
    lookup: &Lookup<'_>,
    namespace: &str,
) -> Result<Option<String>, String> {
    if let Some(field) = &source.field_ref {
        return pod_field(pod, place, &field.field_path).map(Some);
    }
    if let Some(field) = &source.resource_field_ref {
        return container_field(pod, container, place, field).map(Some);
    }
    let (holder, name, key, optional) = match (&source.config_map_key_ref, &source.secret_key_ref) {
        (Some(it), _) => (Holder::ConfigMap, &it.name, &it.key, it.optional),
        (None, Some(it)) => (Holder::Secret, &it.name, &it.key, it.optional),
        (None, None) => return Ok(None),
    };
    let missing = match lookup(holder, name) {
        Some(values) => match values.get(key) {
            Some(value) => return Ok(Some(String::from_utf8_lossy(value).into_owned())),
            None => holder.missing_key(key, namespace, name),
        },
        None => holder.missing(name),
    };
    if optional == Some(true) {
        Ok(None)
    } else {
        Err(missing)
    }
}

#[cfg(test)]
mod tests;
