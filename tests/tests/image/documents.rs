//! The bytes of layers, configuration and manifest: the image's digest is theirs.

use std::io::Read as _;

use metaparticle::deploy::{
    build::{Arch, Profile},
    image::{
        digest::Digest,
        layer::{self, Layer},
        manifest::{self, Document, Program},
    },
};

fn entries(layer: &Layer) -> Vec<(String, u32, u64, Vec<u8>)> {
    let archive = zstd::decode_all(layer.bytes.as_ref()).unwrap();
    assert_eq!(Digest::of(&archive), layer.id.diff_id);
    assert_eq!(Digest::of(&layer.bytes), layer.id.blob.digest);
    assert_eq!(layer.bytes.len() as u64, layer.id.blob.size);
    let mut archive = tar::Archive::new(archive.as_slice());
    archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), 0);
            assert_eq!(header.uid().unwrap(), header.gid().unwrap());
            let (mode, owner) = (header.mode().unwrap(), header.uid().unwrap());
            let path = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (path, mode, owner, content)
        })
        .collect()
}

#[test]
fn program_layer_is_the_program_and_nothing_else() {
    let layer = layer::program(b"a program", Profile::Fast).unwrap();
    assert_eq!(
        entries(&layer),
        [("app".to_owned(), 0o555, 65532, b"a program".to_vec())]
    );
}

#[test]
fn system_layer_has_certificates_users_and_tmp_in_order() {
    let entries = entries(&layer::system().unwrap());
    let of = |path: &str| entries.iter().find(|entry| entry.0 == path).unwrap();
    assert!(entries.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(of("tmp/").1, 0o1777);
    assert_eq!(
        (of("home/nonroot/").1, of("home/nonroot/").2),
        (0o700, 65532)
    );
    assert!(of("etc/passwd").3.starts_with(b"root:x:0:0:"));
    let certificates = &of("etc/ssl/certs/ca-certificates.crt").3;
    assert!(
        certificates.len() > 100_000 && certificates.starts_with(b"-----BEGIN CERTIFICATE-----\n")
    );
}

/// Changes with the layout of layers and with the compressor; then every image gets another digest once.
#[test]
fn same_program_gives_the_same_layer_everywhere() {
    let layer = layer::program(&[7; 10_000], Profile::Fast).unwrap();
    assert_eq!(
        layer.id.diff_id.to_string(),
        "sha256:e150cdf1d83be751601cef3dc785c8b12dcb33a6745f9dede7be09b9f39878a5"
    );
    assert_eq!(
        layer.id.blob.digest.to_string(),
        "sha256:6213e8ec48848fd4705f0179ac2389682582070a2bfe2d1d55bff63a98597c2b"
    );
}

#[test]
fn small_profile_compresses_more() {
    let text: Vec<u8> = (0..60_000_u32)
        .flat_map(|n| (n * n).to_string().into_bytes())
        .collect();
    let size = |profile| layer::program(&text, profile).unwrap().bytes.len();
    assert!(size(Profile::Small) < size(Profile::Fast));
}

const PROGRAM: Program<'static> = Program {
    name: "web",
    version: "1.2.3",
    arch: Arch::Arm64,
};

#[test]
fn configuration_is_golden() {
    let layers = [layer_id(1), layer_id(2)];
    let config = manifest::config(PROGRAM, None, &layers);
    golden("config.json", &config);
}

#[test]
fn manifest_is_golden() {
    let layers = [layer_id(1), layer_id(2)];
    let config = manifest::config(PROGRAM, None, &layers);
    golden(
        "manifest.json",
        &manifest::manifest(&config.descriptor, None, &layers),
    );
}

fn layer_id(n: u8) -> layer::LayerId {
    layer::LayerId {
        blob: manifest::Descriptor::of(manifest::media_type::LAYER_ZSTD, &[n]),
        diff_id: Digest::of(&[n, n]),
    }
}

/// Golden files are indented, documents are not.
fn golden(name: &str, document: &Document) {
    assert_eq!(document.descriptor.digest, Digest::of(&document.bytes));
    let value: serde_json::Value = serde_json::from_slice(&document.bytes).unwrap();
    let path = format!("{}/golden/image/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        expected, text,
        "{path}: read the difference, then run with UPDATE_GOLDEN=1"
    );
}
