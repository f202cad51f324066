//! [`Error`]: why there is no image.

use std::{io, path::PathBuf};

use super::{Arch, registry::RegistryError};
use crate::deploy::build::BuildError;

/// Why an image could not be built or published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody said where to.
    #[error("no repository is named for the image of `{app}`")]
    NoRepository {
        /// Name of the application.
        app: String,
    },
    /// The program could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The program is not for Linux on the cluster's processor.
    #[error("the program is not an executable of Linux on {arch}")]
    NotForPlatform {
        /// The architecture of the nodes.
        arch: Arch,
    },
    /// The program needs a base image.
    #[error(
        "the program is linked dynamically: it needs {interpreter}, which an image from scratch does not have"
    )]
    Dynamic {
        /// The program interpreter.
        interpreter: String,
    },
    /// The program cannot be archived.
    #[error("the program cannot be packed")]
    Pack(#[source] io::Error),
    /// What was remembered about a layer was wrong. It is forgotten now.
    #[error(
        "what was remembered about a layer of this program is wrong; it was forgotten, run the command again"
    )]
    Memo,
    /// A registry did not do what it was asked for.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A base image is of no use.
    #[error("the base image {image} cannot be used: {why}")]
    Base {
        /// The image.
        image: String,
        /// What is wrong with it.
        why: String,
    },
    /// The archive cannot be written.
    #[error("the archive {} cannot be written", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoRepository { .. } => Some(
                "write `repository = \"registry.example.com/team\"` in the attribute, or set METAPARTICLE_REPOSITORY; \
                 a registry on this machine is `127.0.0.1:5000/demo`"
                    .to_owned(),
            ),
            Self::Dynamic { .. } => Some(
                "do not switch off `crt-static`, or name a base with that interpreter, such as \
                 `base = \"gcr.io/distroless/cc-debian12\"`"
                    .to_owned(),
            ),
            Self::Build(error) => error.help(),
            Self::Registry(error) => error.help(),
            _ => None,
        }
    }
}
