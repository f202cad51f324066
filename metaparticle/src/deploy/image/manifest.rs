//! The JSON documents of an image: configuration and manifest. Their bytes are part of the image's digest, so they hold
//! no time, no host and no order that could change.

use std::collections::BTreeMap;

use bytes::Bytes;
use metaparticle_spec::render::{ENTRYPOINT, USER};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{
    Arch,
    digest::Digest,
    layer::{CERTIFICATES, LayerId},
};

/// Media types of the OCI image specification, and their older names at docker.
pub mod media_type {
    /// Manifest of one image.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// List of manifests, one a platform.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// Configuration of an image.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// Layer: a tar archive compressed by zstd.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// Layer: a tar archive compressed by gzip.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// Layer: a tar archive.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// What docker calls [`MANIFEST`].
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// What docker calls [`INDEX`].
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// What docker calls [`LAYER_GZIP`].
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
}

/// Names some content: its type, digest and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type.
    pub media_type: String,
    /// Digest.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
}

impl Descriptor {
    /// Names `content`.
    #[must_use]
    pub fn of(media_type: &str, content: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(content),
            size: content.len() as u64,
        }
    }
}

/// A document with its descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Names the bytes.
    pub descriptor: Descriptor,
    /// The JSON text.
    pub bytes: Bytes,
}

impl Document {
    fn of(media_type: &str, value: &Value) -> Self {
        let bytes = serde_json::to_vec(&Sorted(value)).expect("keys are strings");
        let bytes = Bytes::from(bytes);
        Self {
            descriptor: Descriptor::of(media_type, &bytes),
            bytes,
        }
    }
}

/// What the configuration says about the program.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Name of the program.
    pub name: &'a str,
    /// Version of its package.
    pub version: &'a str,
    /// Processor that it is for.
    pub arch: Arch,
}

/// What an image begins with.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Its configuration.
    pub config: Map<String, Value>,
    /// Reference and digest, for the annotations.
    pub name: String,
    /// Digest of its manifest.
    pub digest: Digest,
}

/// The configuration of an image of `program` whose own layers are `layers`, lowest first.
#[must_use]
pub fn config(program: Program<'_>, base: Option<&Base>, layers: &[LayerId]) -> Document {
    let mut document = base.map_or_else(Map::new, |base| base.config.clone());
    document.insert("architecture".into(), program.arch.oci().into());
    document.insert("os".into(), "linux".into());
    document.insert("created".into(), EPOCH.into());

    let run = object(&mut document, "config");
    // A command of the base would become the program's arguments.
    run.remove("Cmd");
    run.insert("Entrypoint".into(), json!([ENTRYPOINT]));
    run.insert("User".into(), format!("{USER}:{USER}").into());
    let labels = object(run, "Labels");
    labels.insert("org.opencontainers.image.title".into(), program.name.into());
    labels.insert(
        "org.opencontainers.image.version".into(),
        program.version.into(),
    );
    let env = array(run, "Env");
    for (name, value) in environment(base.is_none()) {
        let prefix = format!("{name}=");
        let there = |entry: &Value| {
            entry
                .as_str()
                .is_some_and(|entry| entry.starts_with(&prefix))
        };
        if !env.iter().any(there) {
            env.push(format!("{prefix}{value}").into());
        }
    }

    let rootfs = object(&mut document, "rootfs");
    rootfs.insert("type".into(), "layers".into());
    let diff_ids = array(rootfs, "diff_ids");
    diff_ids.extend(layers.iter().map(|layer| json!(layer.diff_id)));
    let history = array(&mut document, "history");
    history.extend(
        layers
            .iter()
            .map(|_| json!({ "created": EPOCH, "created_by": "metaparticle" })),
    );
    Document::of(media_type::CONFIG, &Value::Object(document))
}

/// The manifest that joins `config` with the layers of `base` and `layers`.
#[must_use]
pub fn manifest(config: &Descriptor, base: Option<&Base>, layers: &[LayerId]) -> Document {
    let all: Vec<&Descriptor> = base
        .iter()
        .flat_map(|base| &base.layers)
        .chain(layers.iter().map(|layer| &layer.blob))
        .collect();
    let mut document = json!({
        "schemaVersion": 2,
        "mediaType": media_type::MANIFEST,
        "config": config,
        "layers": all,
    });
    if let Some(base) = base {
        document["annotations"] = json!({
            "org.opencontainers.image.base.name": base.name,
            "org.opencontainers.image.base.digest": base.digest,
        });
    }
    Document::of(media_type::MANIFEST, &document)
}

/// Writes the keys of objects in order: `serde_json` does not, if any crate in the graph asks it to keep another.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => {
                let sorted: BTreeMap<_, _> = map.iter().map(|(k, v)| (k, Sorted(v))).collect();
                serializer.collect_map(sorted)
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Sorted)),
            scalar => scalar.serialize(serializer),
        }
    }
}

const EPOCH: &str = "1970-01-01T00:00:00Z";

/// Variables that the image sets; those of a base are kept.
fn environment(scratch: bool) -> Vec<(&'static str, String)> {
    let mut variables = vec![(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
    )];
    if scratch {
        variables.push(("SSL_CERT_FILE", format!("/{CERTIFICATES}")));
    }
    variables
}

/// The object under `key`; another value there (`null` in images of docker) makes room for an empty one.
fn object<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = map.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it is an object")
}

fn array<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Vec<Value> {
    let value = map.entry(key).or_insert(Value::Null);
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("it is an array")
}
