//! [`Package`]: a user's package in a directory of its own, a workspace alone unless it is put into one.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Dependencies and profile as most users have them; without debug information, which only costs time here.
const MANIFEST: &str = r#"
[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[dependencies]
metaparticle = { path = "{metaparticle}", default-features = false }
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
"#;

/// What a manifest that is a workspace's root ends with.
pub const ROOT: &str = "
[workspace]

[profile.dev]
debug = 0
incremental = false
";

/// What a manifest says of the features of metaparticle, unless it is [edited](Package::edit).
pub const NO_FEATURES: &str = "default-features = false";

/// What sharded programs need.
pub const WITH_ROUTER: &str = "default-features = false, features = ['k8s', 'router']";

/// A user's package.
#[derive(Debug)]
pub struct Package {
    /// Its directory.
    pub dir: PathBuf,
}

impl Package {
    /// A package in `dir`, the root of its own workspace, that locks the versions of this repository.
    #[must_use]
    pub fn alone(dir: &Path, name: &str) -> Self {
        let package = Self::member(dir, name);
        package.append("Cargo.toml", ROOT);
        lock(dir);
        package
    }

    /// A package in `dir`, to be a member of a workspace.
    #[must_use]
    pub fn member(dir: &Path, name: &str) -> Self {
        let package = Self {
            dir: dir.to_owned(),
        };
        let metaparticle = repository().join("metaparticle");
        let manifest = MANIFEST
            .replace("{name}", name)
            .replace("{metaparticle}", &metaparticle.to_string_lossy());
        package.write("Cargo.toml", &manifest);
        package
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: &str) {
        write_if_changed(&self.dir.join(path), text);
    }

    /// Adds to a file.
    pub fn append(&self, path: &str, text: &str) {
        let path = self.dir.join(path);
        let present = fs::read_to_string(&path).expect("the file was written before");
        write_if_changed(&path, &(present + text));
    }

    /// Replaces a text that is in the file.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let path = self.dir.join(path);
        let present = fs::read_to_string(&path).expect("the file was written before");
        assert!(present.contains(from), "{from} is in {present}");
        write_if_changed(&path, &present.replace(from, to));
    }
}

/// The root of this repository.
#[must_use]
pub fn repository() -> PathBuf {
    let below = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = below.ancestors().nth(2);
    root.expect("the suite lies two levels deep").to_owned()
}

/// Gives a workspace the lock file of this repository; cargo drops what it does not need.
pub fn lock(dir: &Path) {
    let text =
        fs::read_to_string(repository().join("Cargo.lock")).expect("the lock file is committed");
    let path = dir.join("Cargo.lock");
    if !path.exists() {
        write_if_changed(&path, &text);
    }
}

/// Cargo judges by modification times.
fn write_if_changed(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|present| present == text) {
        return;
    }
    let dir = path.parent().expect("a file lies in a directory");
    fs::create_dir_all(dir).expect("the directory can be made");
    fs::write(path, text).expect("the file can be written");
}
