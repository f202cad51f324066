//! Layers: the program's, and the one with what every program on `scratch` needs.
//!
//! Both are zstd at every profile: containerd and CRI-O read it in every release that serves a supported Kubernetes,
//! and it is smaller than gzip at a fifth of the time. Level 3 for the fast profile, 19 for the small one.

use std::{
    io::{self, Write},
    sync::OnceLock,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use metaparticle_spec::render::{ENTRYPOINT, USER};
use serde::{Deserialize, Serialize};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

use super::{
    digest::{Digest, Hasher},
    manifest::{Descriptor, media_type},
    tar::{self, Entry},
};
use crate::deploy::build::Profile;

/// Where programs look for CA certificates first.
pub(super) const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// What a manifest and a configuration say about a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerId {
    /// The blob in the registry.
    pub blob: Descriptor,
    /// Digest of the archive without compression.
    pub diff_id: Digest,
}

/// A layer that is ready to be pushed.
#[derive(Clone, Debug)]
pub struct Layer {
    /// What manifest and configuration say about it.
    pub id: LayerId,
    /// The compressed archive.
    pub bytes: Bytes,
}

/// Everything that decides the bytes of a layer, in one digest: two equal keys mean two equal layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Digest);

impl Key {
    /// The key of [`program`].
    #[must_use]
    pub fn of_program(binary: Digest, profile: Profile) -> Self {
        Self::of(&[binary.hex().as_bytes()], level(profile))
    }

    /// The key of [`system`].
    #[must_use]
    pub fn of_system() -> Self {
        let certificates: Vec<&[u8]> = TLS_SERVER_ROOT_CERTS.iter().map(AsRef::as_ref).collect();
        Self::of(&certificates, SYSTEM_LEVEL)
    }

    fn of(parts: &[&[u8]], level: i32) -> Self {
        let mut hasher = Hasher::new();
        // Changes with the layout of the archives and with the compressor.
        hasher.update(format!("layer 1, zstd {} -{level}\n", zstd_version()).as_bytes());
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hasher.finish())
    }
}

/// The layer with the program, which the program's user may run but not change.
///
/// # Errors
/// An [`io::Error`] if the program is larger than 8 GiB.
pub fn program(binary: &[u8], profile: Profile) -> io::Result<Layer> {
    let path = ENTRYPOINT.trim_start_matches('/');
    let entry = Entry::file(path, 0o555, binary).owned_by(USER);
    compress(&[entry], level(profile))
}

/// The layer that makes `scratch` a system: CA certificates, the users `root` and `nonroot`, `/tmp`. It is the same
/// for every program, so that a registry and a node hold it once.
///
/// # Errors
/// None in practice: all entries fit the format.
pub fn system() -> io::Result<Layer> {
    compress(
        &[
            Entry::directory("etc", 0o755),
            Entry::file("etc/group", 0o644, GROUP),
            Entry::file("etc/passwd", 0o644, PASSWD),
            Entry::directory("etc/ssl", 0o755),
            Entry::directory("etc/ssl/certs", 0o755),
            Entry::file(CERTIFICATES, 0o644, certificates().as_bytes()),
            Entry::directory("home", 0o755),
            Entry::directory("home/nonroot", 0o700).owned_by(USER),
            Entry::directory("tmp", 0o1777),
        ],
        SYSTEM_LEVEL,
    )
}

const PASSWD: &[u8] = b"root:x:0:0:root:/root:/sbin/nologin\n\
    nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
const GROUP: &[u8] = b"root:x:0:\nnonroot:x:65532:\n";

const SYSTEM_LEVEL: i32 = 3;

fn level(profile: Profile) -> i32 {
    match profile {
        Profile::Fast => 3,
        Profile::Small => 19,
    }
}

fn zstd_version() -> u32 {
    zstd::zstd_safe::version_number()
}

/// Mozilla's roots as one PEM file, in the order of the crate that carries them.
fn certificates() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| {
        let mut pem = String::new();
        for certificate in TLS_SERVER_ROOT_CERTS {
            pem.push_str("-----BEGIN CERTIFICATE-----\n");
            let text = STANDARD.encode(certificate);
            for line in text.as_bytes().chunks(64) {
                pem.extend(line.iter().map(|&byte| char::from(byte)));
                pem.push('\n');
            }
            pem.push_str("-----END CERTIFICATE-----\n");
        }
        pem
    })
}

/// Archives, compresses and hashes in one pass; the archive itself is never held in memory.
fn compress(entries: &[Entry<'_>], level: i32) -> io::Result<Layer> {
    let mut encoder = zstd::Encoder::new(Vec::new(), level)?;
    encoder.set_pledged_src_size(Some(tar::size(entries)))?;
    encoder.include_contentsize(true)?;
    let mut archive = Hashed {
        inner: encoder,
        hasher: Hasher::new(),
    };
    tar::write(entries, &mut archive)?;
    let diff_id = archive.hasher.finish();
    let bytes = Bytes::from(archive.inner.finish()?);
    Ok(Layer {
        id: LayerId {
            blob: Descriptor::of(media_type::LAYER_ZSTD, &bytes),
            diff_id,
        },
        bytes,
    })
}

struct Hashed<W> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_tells_apart_binary_and_profile() {
        let binary = Digest::of(b"binary");
        let keys = [
            Key::of_program(binary, Profile::Fast),
            Key::of_program(Digest::of(b"other"), Profile::Fast),
            Key::of_program(binary, Profile::Small),
            Key::of_system(),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{index}");
        }
        assert_eq!(keys[0], Key::of_program(binary, Profile::Fast));
    }

    #[test]
    fn pem_lines_are_at_most_64_characters() {
        assert!(certificates().lines().all(|line| line.len() <= 64));
        assert_eq!(
            certificates().matches("BEGIN CERTIFICATE").count(),
            TLS_SERVER_ROOT_CERTS.len()
        );
    }
}
