//! From a program to an image in a registry: the inner build, layers, documents, credentials and the protocol, against
//! a registry in this process.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is its job"
)]

mod archive;
mod base;
mod build;
mod credentials;
mod documents;
mod fake;
mod push;
mod sign_in;

use std::path::Path;

use metaparticle::deploy::{
    build::{Arch, Profile, Program},
    image::{Destination, Error, PublishRequest, Published, credentials::Places, publish_built},
    report::Report,
};
use metaparticle_spec::{AppSpec, Embedded};
use metaparticle_tests::apps;

/// The application of these tests.
fn app() -> Embedded {
    app_of(apps::hello())
}

fn app_of(spec: AppSpec) -> Embedded {
    let build = apps::build(&spec);
    Embedded {
        spec,
        build,
        artifacts: Vec::new(),
    }
}

/// What the kernel would take for a static program of amd64; `text` makes it another one.
fn program(text: &str, cache: &Path) -> Program {
    let mut content = vec![0; 64];
    content[..6].copy_from_slice(b"\x7fELF\x02\x01");
    content[18] = 62;
    content.extend(text.bytes());
    Program {
        name: "hello".to_owned(),
        version: "0.1.0".to_owned(),
        arch: Arch::Amd64,
        profile: Profile::Fast,
        content,
        cache: cache.to_owned(),
    }
}

/// The same program, but one that is started by an interpreter.
fn dynamic_program(cache: &Path) -> Program {
    let mut program = program("", cache);
    program.content[32] = 64;
    program.content[54] = 56;
    program.content[56] = 1;
    let mut entry = vec![0; 56];
    entry[0] = 3;
    entry[8] = 120;
    entry[32] = 10;
    program.content.extend(entry);
    program.content.extend(*b"/lib/ld.so");
    program
}

fn request(repository: &str) -> PublishRequest {
    PublishRequest {
        repository: Some(repository.parse().expect("a repository")),
        architecture: Arch::Amd64,
        profile: Profile::Fast,
        destination: Destination::Registry,
    }
}

/// Publishes without any credentials.
async fn publish(repository: &str, program: Program) -> Result<Published, Error> {
    publish_built(
        &app(),
        &request(repository),
        program,
        Places::default(),
        &Report::capture(),
    )
    .await
}

/// A directory for what deployments remember, and for anything else.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}
