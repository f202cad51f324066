//! Images as files: an OCI layout in one tar archive, as `skopeo copy oci-archive:FILE …` and `ctr images import` read it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

use bytes::Bytes;
use serde_json::json;

use super::{
    Arch,
    manifest::{Descriptor, media_type},
    tar::{self, Entry},
};

/// Writes an image to `path`, all of it or nothing. `blobs` are manifest, configuration and layers; `name` is the tag.
///
/// # Errors
/// An [`io::Error`] if the file cannot be written next to where it goes, or moved there.
pub(super) fn write(
    path: &Path,
    name: &str,
    arch: Arch,
    manifest: &Descriptor,
    blobs: &[(Descriptor, Bytes)],
) -> io::Result<()> {
    let index = json!({
        "schemaVersion": 2,
        "mediaType": media_type::INDEX,
        "manifests": [{
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": manifest.size,
            "platform": { "architecture": arch.oci(), "os": "linux" },
            "annotations": { "org.opencontainers.image.ref.name": name },
        }],
    });
    let index = index.to_string();
    // An image may name the same blob twice.
    let blobs: BTreeMap<String, &Bytes> = blobs
        .iter()
        .map(|(descriptor, bytes)| (format!("blobs/sha256/{}", descriptor.digest.hex()), bytes))
        .collect();
    let mut entries = vec![
        Entry::directory("blobs", 0o755),
        Entry::directory("blobs/sha256", 0o755),
    ];
    entries.extend(
        blobs
            .iter()
            .map(|(path, bytes)| Entry::file(path, 0o644, bytes)),
    );
    entries.push(Entry::file("index.json", 0o644, index.as_bytes()));
    entries.push(Entry::file(
        "oci-layout",
        0o644,
        br#"{"imageLayoutVersion":"1.0.0"}"#,
    ));

    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let file = tempfile::Builder::new()
        .prefix(".metaparticle-")
        .tempfile_in(directory)?;
    let mut writer = BufWriter::new(file);
    tar::write(&entries, &mut writer)?;
    writer.flush()?;
    let file = writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    readable_by_all(file.as_file())?;
    file.persist(path)?;
    Ok(())
}

/// A temporary file is its owner's alone; an archive is as other files are.
#[cfg(unix)]
fn readable_by_all(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_: &File) -> io::Result<()> {
    Ok(())
}
