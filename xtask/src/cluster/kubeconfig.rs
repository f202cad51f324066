//! Kubeconfigs: whose certificate is shown to which API server.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::certificates;
use super::error::{Error, file};
use super::layout::{API_PORT, CONTEXT};
use super::state;

/// Writes a kubeconfig that shows the certificate `user`, readable by its
/// owner only and complete in itself.
///
/// # Errors
/// When a certificate cannot be read or the file cannot be written.
pub(super) fn write(path: &Path, user: &str) -> Result<(), Error> {
    let authority = encoded("ca.crt")?;
    let certificate = encoded(&format!("{user}.crt"))?;
    let key = encoded(&format!("{user}.key"))?;
    let text = format!(
        "apiVersion: v1
kind: Config
current-context: {CONTEXT}
clusters:
- name: {CONTEXT}
  cluster:
    server: https://127.0.0.1:{API_PORT}
    certificate-authority-data: {authority}
contexts:
- name: {CONTEXT}
  context:
    cluster: {CONTEXT}
    user: {user}
users:
- name: {user}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
"
    );
    state::write(path, &text)
}

fn encoded(name: &str) -> Result<String, Error> {
    let path = certificates::path(name);
    let bytes = fs::read(&path).map_err(file("read", path))?;
    Ok(STANDARD.encode(bytes))
}
