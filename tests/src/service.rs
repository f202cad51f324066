//! [`Service`]: a small web service of a user, in a workspace of its own.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use metaparticle_spec::{Build, Embedded};
use tempfile::TempDir;

use crate::apps;

/// A workspace of one annotated axum program.
#[derive(Debug)]
pub struct Service {
    path: PathBuf,
    /// Removed with this value.
    #[allow(dead_code, reason = "held until the service is dropped")]
    temporary: Option<TempDir>,
}

impl Service {
    /// Writes the workspace into a directory that is removed with the returned value.
    ///
    /// # Errors
    /// As [`Service::at`].
    pub fn temporary() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut service = Self::at(directory.path())?;
        service.temporary = Some(directory);
        Ok(service)
    }

    /// Writes the workspace into `path`, with the versions of this repository's lockfile.
    ///
    /// # Errors
    /// An [`io::Error`] if files cannot be written, or cargo cannot resolve the dependencies.
    pub fn at(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path.join("src"))?;
        let service = Self {
            path: path.to_owned(),
            temporary: None,
        };
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let metaparticle = repository.join("metaparticle").canonicalize()?;
        let manifest = format!(
            r#"[package]
name = "service"
version = "0.1.0"
edition = "2024"

[workspace]

[dependencies]
axum = {{ version = "0.8", default-features = false, features = ["http1", "tokio"] }}
metaparticle = {{ path = "{}" }}
tokio = {{ version = "1", features = ["macros", "net", "rt-multi-thread"] }}
"#,
            metaparticle.display()
        );
        fs::write(service.path().join("Cargo.toml"), manifest)?;
        fs::copy(
            repository.join("Cargo.lock"),
            service.path().join("Cargo.lock"),
        )?;
        service.answer("Hello!")?;
        // Takes from the copied lockfile what is no dependency of the service.
        let resolved = Command::new("cargo")
            .args(["metadata", "--format-version=1", "--quiet"])
            .current_dir(service.path())
            .output()?;
        if resolved.status.success() {
            Ok(service)
        } else {
            Err(io::Error::other(
                String::from_utf8_lossy(&resolved.stderr).into_owned(),
            ))
        }
    }

    /// Root of the workspace.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Edits the program: it answers with this text.
    ///
    /// # Errors
    /// An [`io::Error`] if the source cannot be written.
    pub fn answer(&self, text: &str) -> io::Result<()> {
        self.source("#[metaparticle::containerize(ports = [8080])]", text)
    }

    /// Edits the program: its attributes, and its answer.
    ///
    /// # Errors
    /// An [`io::Error`] if the source cannot be written.
    pub fn source(&self, attributes: &str, text: &str) -> io::Result<()> {
        let source = format!(
            r#"use axum::{{Router, routing::get}};

{attributes}
#[tokio::main]
async fn main() -> std::io::Result<()> {{
    let app = Router::new().route("/", get(async || {text:?}));
    let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
    axum::serve(listener, app)
        .with_graceful_shutdown(metaparticle::shutdown())
        .await
}}
"#
        );
        fs::write(self.path.join("src/main.rs"), source)
    }

    /// What the macro embeds in the host binary.
    #[must_use]
    pub fn embedded(&self) -> Embedded {
        Embedded {
            spec: apps::hello(),
            build: Build {
                package: "service".to_owned(),
                version: "0.1.0".to_owned(),
                bin: "service".to_owned(),
                example: false,
                features: Vec::new(),
                rustc: String::new(),
                manifest_dir: self.path.display().to_string(),
                package_path: String::new(),
            },
            artifacts: Vec::new(),
        }
    }
}
