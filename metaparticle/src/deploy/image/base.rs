//! Base images: reads what an image begins with, and brings its layers to where the image goes.

use bytes::Bytes;
use metaparticle_spec::ImageRef;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Arch, Error,
    credentials::Places,
    manifest::{Base, Descriptor, media_type},
    reference::Location,
    registry::{Registry, RemoteManifest},
};

/// A base image and the registry that has it.
#[derive(Clone, Debug)]
pub(super) struct RemoteBase {
    pub(super) image: Base,
    pub(super) registry: Registry,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Candidate>,
}

#[derive(Deserialize)]
struct Candidate {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl RemoteBase {
    /// Reads manifest and configuration of `image` for `arch`.
    pub(super) async fn read(image: &ImageRef, arch: Arch, places: Places) -> Result<Self, Error> {
        let unusable = |why: String| Error::Base {
            image: image.to_string(),
            why,
        };
        let (name, reference) = parts(image.as_str());
        let registry = Registry::new(Location::parse(name), places)?;
        let mut found = registry.manifest(reference).await?;
        if is_index(&found) {
            let digest = choose(&found.bytes, arch)
                .ok_or_else(|| unusable(format!("it is not for linux/{arch}")))?;
            found = registry.manifest(&digest).await?;
        }
        let manifest: Manifest = serde_json::from_slice(&found.bytes)
            .map_err(|error| unusable(format!("its manifest cannot be read ({error})")))?;
        let layers = manifest
            .layers
            .into_iter()
            .map(|layer| {
                layer_of(layer).map_err(|kind| unusable(format!("it has a layer of type {kind}")))
            })
            .collect::<Result<_, _>>()?;
        let config = registry.blob(manifest.config.digest).await?;
        let Ok(Value::Object(config)) = serde_json::from_slice(&config) else {
            return Err(unusable("its configuration cannot be read".to_owned()));
        };
        let says = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default();
        if (says("os"), says("architecture")) != ("linux", arch.oci()) {
            let platform = format!("{}/{}", says("os"), says("architecture"));
            return Err(unusable(format!("it is for {platform}, not linux/{arch}")));
        }
        Ok(Self {
            image: Base {
                layers,
                config,
                name: image.to_string(),
                digest: found.digest,
            },
            registry,
        })
    }

    /// The content of a layer.
    pub(super) async fn layer(&self, layer: &Descriptor) -> Result<Bytes, Error> {
        Ok(self.registry.blob(layer.digest).await?)
    }
}

/// Name, and digest or tag.
fn parts(image: &str) -> (&str, &str) {
    let (rest, digest) = image
        .split_once('@')
        .map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (rest, "latest"),
    };
    (name, digest.unwrap_or(tag))
}

fn is_index(manifest: &RemoteManifest) -> bool {
    [media_type::INDEX, media_type::DOCKER_INDEX].contains(&manifest.media_type.as_str())
}

fn choose(index: &[u8], arch: Arch) -> Option<String> {
    let index: Index = serde_json::from_slice(index).ok()?;
    let fits = |platform: &Platform| platform.os == "linux" && platform.architecture == arch.oci();
    index
        .manifests
        .into_iter()
        .find(|candidate| candidate.platform.as_ref().is_some_and(fits))
        .map(|candidate| candidate.digest)
}

/// The same layer by its OCI name.
fn layer_of(mut layer: Descriptor) -> Result<Descriptor, String> {
    layer.media_type = match layer.media_type.as_str() {
        media_type::DOCKER_LAYER_GZIP => media_type::LAYER_GZIP.to_owned(),
        media_type::LAYER | media_type::LAYER_GZIP | media_type::LAYER_ZSTD => layer.media_type,
        _ => return Err(layer.media_type),
    };
    Ok(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_goes_before_tag_and_tag_before_latest() {
        let digest = "sha256:00";
        assert_eq!(parts("host:5000/a/b"), ("host:5000/a/b", "latest"));
        assert_eq!(parts("a:1"), ("a", "1"));
        assert_eq!(parts("a:1@sha256:00"), ("a", digest));
    }
}
