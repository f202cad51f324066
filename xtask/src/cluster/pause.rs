//! The image of pods' sandboxes: a program that holds the namespaces and waits.

use std::path::PathBuf;

use super::error::Error;
use super::layout::home;
use super::state;
use crate::command;

/// The image's name, known to the container runtimes only.
pub(super) const IMAGE: &str = "metaparticle.test/pause:1";

/// Ends when asked to, and buries orphans, because it is process 1 of a pod
/// whose containers share its process namespace.
const SOURCE: &str = "
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void stop(int signal) { (void)signal; _exit(0); }
static void bury(int signal) { (void)signal; while (waitpid(-1, 0, WNOHANG) > 0) {} }
int main(void) {
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    signal(SIGCHLD, bury);
    for (;;) pause();
}
";

/// Makes the image and returns its archive.
///
/// # Errors
/// When the compiler or `tar` fails.
pub(super) fn make() -> Result<PathBuf, Error> {
    let folder = home("pause");
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    state::write(folder.join("pause.c"), SOURCE)?;
    command::run(
        "cc",
        [
            "-static",
            "-Os",
            "-s",
            "-o",
            &path("pause"),
            &path("pause.c"),
        ],
    )?;
    tar(&path("layer.tar"), &folder.to_string_lossy(), &["pause"])?;
    let sum = command::run("sha256sum", [path("layer.tar").as_str()])?;
    let sum = sum.split(' ').next().unwrap_or_default();
    let configuration = serde_json::json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Entrypoint": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{sum}")]},
    });
    let manifest = serde_json::json!([
        {"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}
    ]);
    state::write(folder.join("config.json"), &configuration.to_string())?;
    state::write(folder.join("manifest.json"), &manifest.to_string())?;
    let files = ["manifest.json", "config.json", "layer.tar"];
    tar(&path("image.tar"), &folder.to_string_lossy(), &files)?;
    Ok(folder.join("image.tar"))
}

fn tar(archive: &str, folder: &str, files: &[&str]) -> Result<(), Error> {
    let arguments = [
        "--create",
        "--owner=0",
        "--group=0",
        "--file",
        archive,
        "--directory",
        folder,
    ];
    command::run("tar", arguments.into_iter().chain(files.iter().copied()))?;
    Ok(())
}
