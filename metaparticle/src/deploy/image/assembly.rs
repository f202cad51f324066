//! [`Image`]: the parts of an image, and their way to a registry or into an archive.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use futures::future::{try_join, try_join_all, try_join3};
use tokio::task::spawn_blocking;

use super::{
    Arch, Error, Program, archive,
    base::RemoteBase,
    digest::Digest,
    layer::{self, Key, Layer, LayerId},
    manifest::{self, Descriptor, Document},
    memo::{Memo, MemoFile},
    registry::{Pushed, Registry},
};

/// An image: known by its documents; the content of a layer only where it had to be made.
pub(super) struct Image {
    arch: Arch,
    base: Option<RemoteBase>,
    layers: Vec<Part>,
    config: Document,
    manifest: Document,
}

/// A layer of ours.
struct Part {
    source: Arc<Source>,
    memo: Memo,
    file: MemoFile,
    /// The content, if it was made.
    bytes: Option<Bytes>,
}

/// What a layer is made of.
enum Source {
    System,
    Program(Program),
}

impl Image {
    /// Packs what is not remembered. Blocks for as long as that takes.
    pub(super) fn of(program: Program, base: Option<RemoteBase>) -> Result<Self, Error> {
        let (name, version) = (program.name.clone(), program.version.clone());
        let (arch, cache) = (program.arch, program.cache.clone());
        let mut layers = Vec::new();
        if base.is_none() {
            layers.push(Part::of(Source::System, &cache)?);
        }
        layers.push(Part::of(Source::Program(program), &cache)?);

        let ids: Vec<LayerId> = layers.iter().map(|part| part.memo.layer.clone()).collect();
        let of_base = base.as_ref().map(|base| &base.image);
        let program = manifest::Program {
            name: &name,
            version: &version,
            arch,
        };
        let config = manifest::config(program, of_base, &ids);
        let manifest = manifest::manifest(&config.descriptor, of_base, &ids);
        Ok(Self {
            arch,
            base,
            layers,
            config,
            manifest,
        })
    }

    pub(super) fn digest(&self) -> Digest {
        self.manifest.descriptor.digest
    }

    /// Size of all layers.
    pub(super) fn size(&self) -> u64 {
        let own = self.layers.iter().map(|part| part.memo.layer.blob.size);
        own.chain(self.of_base().map(|(_, layer)| layer.size)).sum()
    }

    /// Brings the image to a registry; the bytes that were sent, `None` if the tag was this image already. The
    /// manifest comes last: an image in a registry is always whole.
    pub(super) async fn push(&self, registry: &Registry, tag: &str) -> Result<Option<u64>, Error> {
        let manifest = &self.manifest;
        if registry.head_manifest(tag).await? == Some(manifest.descriptor.digest) {
            return Ok(None);
        }
        let layers = try_join_all(self.layers.iter().map(|part| part.push(registry)));
        let of_base = self.of_base();
        let of_base = try_join_all(of_base.map(|(base, layer)| base.push(layer, registry)));
        let (config, layers, of_base) =
            try_join3(self.push_config(registry), layers, of_base).await?;
        registry
            .push_manifest(tag, &manifest.descriptor.media_type, &manifest.bytes)
            .await?;
        let blobs: u64 = layers.iter().chain(&of_base).sum();
        Ok(Some(config + blobs + manifest.descriptor.size))
    }

    async fn push_config(&self, registry: &Registry) -> Result<u64, Error> {
        let config = &self.config.descriptor;
        if registry.has_blob(config.digest).await? {
            return Ok(0);
        }
        let content = self.config.bytes.clone();
        let pushed = registry.push_blob(config.digest, content, None).await?;
        Ok(sent(pushed, config))
    }

    /// Writes the image as an archive; the size of what is in it.
    pub(super) async fn save(&self, path: &Path, tag: &str) -> Result<u64, Error> {
        let documents = [&self.manifest, &self.config];
        let mut blobs: Vec<(Descriptor, Bytes)> = documents
            .iter()
            .map(|document| (document.descriptor.clone(), document.bytes.clone()))
            .collect();
        let own = try_join_all(self.layers.iter().map(Part::content));
        let of_base = try_join_all(self.of_base().map(|(base, layer)| base.layer(layer)));
        let (own, of_base) = try_join(own, of_base).await?;
        let layers = self.of_base().map(|(_, layer)| layer);
        blobs.extend(layers.cloned().zip(of_base));
        let layers = self.layers.iter().map(|part| part.memo.layer.blob.clone());
        blobs.extend(layers.zip(own));
        let size = blobs.iter().map(|(blob, _)| blob.size).sum();

        let (manifest, arch) = (self.manifest.descriptor.clone(), self.arch);
        let (target, tag) = (path.to_owned(), tag.to_owned());
        spawn_blocking(move || archive::write(&target, &tag, arch, &manifest, &blobs))
            .await
            .expect("writing does not panic")
            .map_err(|source| Error::Archive {
                path: path.to_owned(),
                source,
            })?;
        Ok(size)
    }

    fn of_base(&self) -> impl Iterator<Item = (&RemoteBase, &Descriptor)> {
        let base = self.base.iter();
        base.flat_map(|base| base.image.layers.iter().map(move |layer| (base, layer)))
    }
}

impl Part {
    fn of(source: Source, cache: &Path) -> Result<Self, Error> {
        let (key, name) = match &source {
            Source::System => (Key::of_system(), "system".to_owned()),
            Source::Program(program) => {
                let Program {
                    name,
                    arch,
                    profile,
                    content,
                    ..
                } = program;
                let key = Key::of_program(Digest::of(content), *profile);
                (key, format!("{name}-{arch}-{profile}"))
            }
        };
        let file = MemoFile::new(cache, &name);
        if let Some(memo) = file.read(key) {
            return Ok(Self {
                source: Arc::new(source),
                memo,
                file,
                bytes: None,
            });
        }
        let layer = source.pack()?;
        let memo = Memo {
            key,
            layer: layer.id,
            seen: None,
        };
        file.write(&memo);
        Ok(Self {
            source: Arc::new(source),
            memo,
            file,
            bytes: Some(layer.bytes),
        })
    }

    /// Brings the layer to the registry; the bytes that were sent.
    async fn push(&self, registry: &Registry) -> Result<u64, Error> {
        let blob = &self.memo.layer.blob;
        let location = registry.location();
        let sent = if registry.has_blob(blob.digest).await? {
            0
        } else {
            let from = self.memo.elsewhere(location);
            let content = self.content().await?;
            let pushed = registry.push_blob(blob.digest, content, from.as_deref());
            sent(pushed.await?, blob)
        };
        let seen = Some(location.to_string());
        if self.memo.seen != seen {
            self.file.write(&Memo {
                seen,
                ..self.memo.clone()
            });
        }
        Ok(sent)
    }

    async fn content(&self) -> Result<Bytes, Error> {
        if let Some(bytes) = &self.bytes {
            return Ok(bytes.clone());
        }
        let source = Arc::clone(&self.source);
        let layer = spawn_blocking(move || source.pack())
            .await
            .expect("packing does not panic")?;
        if layer.id == self.memo.layer {
            Ok(layer.bytes)
        } else {
            // A damaged memo must not become an image that nobody can pull.
            self.file.forget();
            Err(Error::Memo)
        }
    }
}

impl Source {
    fn pack(&self) -> Result<Layer, Error> {
        match self {
            Self::System => layer::system(),
            Self::Program(program) => layer::program(&program.content, program.profile),
        }
        .map_err(Error::Pack)
    }
}

impl RemoteBase {
    /// Brings a layer of the base to the registry; the bytes that were sent.
    async fn push(&self, layer: &Descriptor, registry: &Registry) -> Result<u64, Error> {
        if registry.has_blob(layer.digest).await? {
            return Ok(0);
        }
        let of_base = self.registry.location();
        let pushed = if of_base.host == registry.location().host {
            let from = &of_base.repository;
            registry.mount_blob(layer.digest, from).await?
        } else {
            false
        };
        if pushed {
            return Ok(0);
        }
        let content = self.layer(layer).await?;
        let pushed = registry.push_blob(layer.digest, content, None).await?;
        Ok(sent(pushed, layer))
    }
}

fn sent(pushed: Pushed, blob: &Descriptor) -> u64 {
    match pushed {
        Pushed::Sent => blob.size,
        Pushed::Mounted => 0,
    }
}
