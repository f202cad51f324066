//! The image registry on loopback: plain HTTP, nothing kept after `down`.
//! Its standard output is one line a request.

use std::path::Path;
use std::time::Duration;

use super::error::Error;
use super::layout::{REGISTRY_PORT, home};
use super::state::{self, State};
use super::{process, wait};

/// Where images are pushed and pulled.
pub(super) fn address() -> String {
    format!("127.0.0.1:{REGISTRY_PORT}")
}

/// Starts the registry.
///
/// # Errors
/// When it cannot be started or does not answer.
pub(super) fn start(state: &mut State) -> Result<(), Error> {
    let configuration = home("registry/config.json");
    state::write(&configuration, &configure())?;
    let arguments = ["serve", &configuration.to_string_lossy()];
    state.add(process::start(
        "registry",
        Path::new("/usr/bin/docker-registry"),
        arguments,
    )?)?;
    wait::until("the registry", Duration::from_secs(20), state, || {
        wait::answers(&address(), "/v2/")
    })
}

fn configure() -> String {
    let configuration = serde_json::json!({
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": false}},
        "storage": {
            "filesystem": {"rootdirectory": home("registry/data")},
            "delete": {"enabled": true},
        },
        "http": {"addr": address()},
    });
    configuration.to_string()
}
