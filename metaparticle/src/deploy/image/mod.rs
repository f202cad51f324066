//! The image: from a program to a digest in a registry, without docker.
//!
//! One layer with the program, one with what every program needs (or the layers of a base image), a configuration, a
//! manifest. The same program gives the same bytes everywhere, so that a registry that has them gets nothing.

use std::path::PathBuf;

use metaparticle_spec::{Embedded, Repository};
use tokio::{task::spawn_blocking, time::Instant};

pub mod credentials;
pub mod digest;
pub mod layer;
pub mod manifest;
pub mod reference;
pub mod registry;
pub mod tar;

mod archive;
mod assembly;
mod base;
mod elf;
mod error;
mod memo;

pub use self::error::Error;
use self::{
    assembly::Image, base::RemoteBase, credentials::Places, elf::Linkage, reference::Location,
    registry::Registry,
};
use super::{
    build::{self, Arch, Environment, Profile, Program},
    report::{Event, Report},
};

/// What to publish, and where.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    /// Overrides the repository that the program declares.
    pub repository: Option<Repository>,
    /// Processor of the cluster's nodes.
    pub architecture: Arch,
    /// What the program is optimized for.
    pub profile: Profile,
    /// Where the image goes.
    pub destination: Destination,
}

/// Where an image goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the registry that its repository names.
    Registry,
    /// Into this file, as an OCI archive.
    Archive(PathBuf),
}

/// An image that is where it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Repository, name and digest: what a pod's `image` says.
    pub reference: String,
    /// The tag beside the digest.
    pub tag: String,
    /// Digest of the manifest.
    pub digest: String,
    /// Whether anything was written; `false` if the registry had the image.
    pub pushed: bool,
    /// Size of all compressed layers, in bytes.
    pub size: u64,
    /// Bytes sent to the registry, or written to the archive.
    pub sent: u64,
}

/// Builds the program of `app` for a container, and publishes its image.
///
/// # Errors
/// [`Error`]; [`Error::help`] says what to do.
///
/// # Cancel safety
/// Dropping the future ends the build or the upload. A manifest is written last, so no image is ever incomplete.
pub async fn publish(
    app: &Embedded,
    request: &PublishRequest,
    report: &Report,
) -> Result<Published, Error> {
    // A repository that is not named is not worth a build.
    let name = ImageName::of(app, request)?;
    let (arch, profile) = (request.architecture, request.profile);
    let environment = Environment::of_process();
    let program = build::build(&app.build, arch, profile, &environment, report).await?;
    let places = Places::of_environment();
    publish_program(app, name, program, &request.destination, places, report).await
}

/// Publishes the image of a program that is built already, as [`publish`] does, with credentials from `places`.
///
/// # Errors
/// As [`publish`].
///
/// # Cancel safety
/// As [`publish`].
pub async fn publish_built(
    app: &Embedded,
    request: &PublishRequest,
    program: Program,
    places: Places,
    report: &Report,
) -> Result<Published, Error> {
    let name = ImageName::of(app, request)?;
    publish_program(app, name, program, &request.destination, places, report).await
}

async fn publish_program(
    app: &Embedded,
    name: ImageName,
    program: Program,
    destination: &Destination,
    places: Places,
    report: &Report,
) -> Result<Published, Error> {
    let start = Instant::now();
    let base = match app.spec.base.as_ref().filter(|base| !base.is_scratch()) {
        Some(image) => Some(RemoteBase::read(image, program.arch, places.clone()).await?),
        None => None,
    };
    check(&program, base.is_some())?;
    report.event(Event::running(
        "image",
        format!("to {}", place(destination, &name)),
    ));
    let image = spawn_blocking(move || Image::of(program, base))
        .await
        .expect("packing does not panic")?;
    let sent = match destination {
        Destination::Registry => {
            let registry = Registry::new(name.location.clone(), places)?;
            image.push(&registry, &name.tag).await?
        }
        Destination::Archive(path) => Some(image.save(path, &name.tag).await?),
    };
    let digest = image.digest();
    let published = Published {
        reference: format!("{}@{digest}", name.text),
        tag: name.tag,
        digest: digest.to_string(),
        pushed: sent.is_some(),
        size: image.size(),
        sent: sent.unwrap_or(0),
    };
    report.event(Event::Image {
        reference: published.reference.clone(),
        pushed: published.pushed,
        size: published.size,
        sent: published.sent,
        milliseconds: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
    Ok(published)
}

fn place(destination: &Destination, name: &ImageName) -> String {
    match destination {
        Destination::Registry => name.location.to_string(),
        Destination::Archive(path) => path.display().to_string(),
    }
}

/// Name and tag of an image.
struct ImageName {
    text: String,
    location: Location,
    tag: String,
}

impl ImageName {
    fn of(app: &Embedded, request: &PublishRequest) -> Result<Self, Error> {
        let spec = &app.spec;
        let repository = request.repository.as_ref().or(spec.repository.as_ref());
        let text = match (repository, &request.destination) {
            (Some(repository), _) => format!("{repository}/{}", spec.name),
            (None, Destination::Archive(_)) => spec.name.to_string(),
            (None, Destination::Registry) => {
                let app = spec.name.to_string();
                return Err(Error::NoRepository { app });
            }
        };
        Ok(Self {
            location: Location::parse(&text),
            text,
            tag: spec.tag.to_string(),
        })
    }
}

/// Checks that the kernel of the nodes can start the program with what is in the image.
fn check(program: &Program, has_base: bool) -> Result<(), Error> {
    let arch = program.arch;
    match elf::inspect(&program.content) {
        Some((machine, Linkage::Static)) if machine.is(arch) => Ok(()),
        Some((machine, Linkage::Dynamic { interpreter })) if machine.is(arch) => {
            if has_base {
                Ok(())
            } else {
                Err(Error::Dynamic { interpreter })
            }
        }
        _ => Err(Error::NotForPlatform { arch }),
    }
}
