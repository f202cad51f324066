//! What a pod needs before its first container: an address, and its volumes.

use std::{collections::BTreeMap, fs, io, net::Ipv4Addr, path::PathBuf, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use tokio::time::Instant;

use super::Worker;
use crate::{
    api::{Api, EventKind, resource},
    node::{
        Inner,
        address::Address,
        environment::{Holder, Place},
        ignored, volumes,
    },
};

/// When something is looked for again that was missing.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// What a pod has got.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    address: Option<Address>,
    place: Option<Place>,
    retry: Option<Instant>,
}

impl Prepared {
    /// Where the pod runs; known when it is prepared.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The address that wildcard `bind`s go to.
    pub(super) fn own(&self) -> Option<Ipv4Addr> {
        self.address.as_ref().map(Address::ip)
    }

    /// When to try again.
    pub(super) fn retry(&self) -> Option<Instant> {
        self.retry
    }

    /// Nothing will run any more.
    pub(super) fn release_address(&mut self) {
        self.address = None;
        self.retry = None;
    }
}

/// The folder of a pod. Named by the uid, which the API server made; `None` if it did not.
pub(super) fn folder(node: &Inner, uid: &str) -> Option<PathBuf> {
    let is_plain = |it: char| it.is_ascii_hexdigit() || it == '-';
    let is_plain = !uid.is_empty() && uid.chars().all(is_plain);
    is_plain.then(|| node.home.path().join(uid))
}

/// The values of a `ConfigMap` or Secret.
pub(super) fn lookup(
    api: &Api,
    namespace: &str,
    holder: Holder,
    name: &str,
) -> Option<BTreeMap<String, Vec<u8>>> {
    let (resource, text, binary) = match holder {
        Holder::ConfigMap => (&resource::CONFIG_MAP, Some("data"), "binaryData"),
        Holder::Secret => (&resource::SECRET, None, "data"),
    };
    let object = api.get(resource, namespace, name)?;
    let of = |field: &str| object[field].as_object().into_iter().flatten();
    let decoded = |value: &Value| BASE64_STANDARD.decode(value.as_str()?).ok();
    let texts = text.into_iter().flat_map(of);
    let texts = texts.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.into())));
    let bytes = of(binary).filter_map(|(key, value)| Some((key.clone(), decoded(value)?)));
    Some(texts.chain(bytes).collect())
}

impl Worker {
    /// Whether the pod has all it needs; tries to get what it has not.
    pub(super) fn prepare(&mut self) -> bool {
        if self.prepared.place.is_some() {
            return true;
        }
        let now = Instant::now();
        if self.prepared.retry.is_some_and(|at| now < at) {
            return false;
        }
        match self.try_prepare() {
            Ok(place) => {
                self.facts.pod_ip = Some(place.pod_ip);
                self.prepared.place = Some(place);
                self.prepared.retry = None;
                self.say_what_is_ignored();
                true
            }
            Err((reason, message)) => {
                self.event(EventKind::Warning, reason, &message);
                self.prepared.retry = Some(now + RETRY);
                false
            }
        }
    }

    fn try_prepare(&mut self) -> Result<Place, (&'static str, String)> {
        if let (Some(subnet), None) = (&self.node.subnet, &self.prepared.address) {
            let address = subnet.allocate().ok_or_else(|| {
                let message = "Failed to create pod sandbox: all addresses are taken".to_owned();
                ("FailedCreatePodSandBox", message)
            })?;
            self.prepared.address = Some(address);
        }
        let place = Place {
            node: self.node.config.name.clone(),
            host_ip: self.facts.host_ip,
            pod_ip: self.prepared.own().unwrap_or(Ipv4Addr::LOCALHOST).into(),
            capacity: self.node.capacity.clone(),
        };
        let (namespace, _) = self.name();
        let lookup = |holder, name: &str| lookup(&self.node.api, namespace, holder, name);
        let volumes = volumes::contents(&self.latest.pod, &place, &lookup);
        let volumes = volumes.map_err(|message| ("FailedMount", message))?;
        let written = self.node.home.make(|_| {
            let folder = self.create_folder()?;
            volumes::write(&folder.join("volumes"), &volumes)
        });
        written.map_err(|error| ("FailedMount", error.to_string()))?;
        Ok(place)
    }

    /// Only this user may look into it.
    fn create_folder(&self) -> io::Result<PathBuf> {
        use std::os::unix::fs::DirBuilderExt as _;
        let folder = folder(&self.node, &self.uid);
        let folder = folder.ok_or_else(|| io::Error::other("the pod's uid is none"))?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        fs::create_dir_all(folder.join("volumes"))?;
        Ok(folder)
    }

    fn say_what_is_ignored(&self) {
        let ignored = ignored::ignored(&self.latest.pod);
        if ignored.is_empty() {
            return;
        }
        let message = format!("the embedded cluster ignores {}", ignored.join("; "));
        self.event(EventKind::Warning, "Ignored", &message);
        self.node.say_once(&message);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_text_or_base64() {
        let api = Api::new(None);
        let create = |resource, object: Value| {
            api.create(resource, "default", object, "test").unwrap();
        };
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"},
            "data": {"text": "a"}, "binaryData": {"bytes": "/w=="},
        });
        create(&resource::CONFIG_MAP, map);
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret"},
            "data": {"key": "czNjcmV0"},
        });
        create(&resource::SECRET, secret);
        let of = |holder, name| lookup(&api, "default", holder, name);
        let map = of(Holder::ConfigMap, "map").unwrap();
        assert_eq!(
            (map["text"].as_slice(), map["bytes"].as_slice()),
            (b"a".as_slice(), b"\xff".as_slice())
        );
        assert_eq!(of(Holder::Secret, "secret").unwrap()["key"], b"s3cret");
        assert_eq!(of(Holder::Secret, "none"), None);
    }
}
