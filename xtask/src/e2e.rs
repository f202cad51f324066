//! `cargo xtask e2e`: the suite on a real cluster, with neither docker nor kubectl to be found.

use std::{
    collections::BTreeSet,
    env, fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use crate::{cluster, command, terminal};

/// Programs that the suite must do without.
const HIDDEN: [&str; 8] = [
    "docker",
    "podman",
    "buildah",
    "skopeo",
    "nerdctl",
    "kubectl",
    "kustomize",
    "helm",
];

/// Why the suite did not run, or did not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// There is no cluster to run on.
    #[error("no cluster to run the suite on")]
    Cluster(#[from] cluster::Error),
    /// The folder of permitted programs could not be made.
    #[error("cannot make the folder {}", path.display())]
    Programs {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The test runner could not be started.
    #[error("cannot start cargo")]
    Start(#[source] io::Error),
    /// A test failed.
    #[error("the suite failed: {0}")]
    Failed(ExitStatus),
}

/// Runs the suite; `arguments` go to the test runner.
///
/// # Errors
/// When there is no cluster, or a test fails.
pub(crate) fn run(arguments: &[String]) -> Result<(), Error> {
    let programs = permitted_programs()?;
    terminal::step(&format!(
        "PATH is {}, without {}",
        programs.display(),
        HIDDEN.join(", ")
    ));
    let mut cargo = command::cargo([]);
    cargo
        .args([
            "test",
            "--package",
            "metaparticle-tests",
            "--features",
            "e2e",
            "--test",
            "e2e",
            "--",
            "--show-output", // the counts that tests print
        ])
        .args(arguments)
        .env("PATH", &programs);
    if env::var_os(cluster::OTHER_CLUSTER).is_none() {
        let about = cluster::about()?;
        for (variable, fact) in [
            (cluster::OTHER_CLUSTER, "kubeconfig"),
            ("METAPARTICLE_TEST_REGISTRY", "registry"),
            ("METAPARTICLE_TEST_REGISTRY_LOG", "registryAccessLog"),
            ("METAPARTICLE_TEST_KUBECTL", "kubectl"),
        ] {
            cargo.env(variable, about[fact].as_str().unwrap_or_default());
        }
    }
    let status = cargo.status().map_err(Error::Start)?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed(status))
    }
}

/// A folder of links to every program of `PATH` but the hidden ones.
fn permitted_programs() -> Result<PathBuf, Error> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("target")
        .join("xtask/e2e-path");
    link_programs(&env::var_os("PATH").unwrap_or_default(), &target).map_err(|source| {
        Error::Programs {
            path: target.clone(),
            source,
        }
    })?;
    Ok(target)
}

fn link_programs(path: &std::ffi::OsStr, target: &Path) -> io::Result<()> {
    match fs::remove_dir_all(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(target)?,
    }
    let mut seen: BTreeSet<_> = HIDDEN.iter().map(Into::into).collect();
    let folders = env::split_paths(path).filter_map(|folder| fs::read_dir(folder).ok());
    for program in folders.flat_map(Iterator::flatten) {
        if seen.insert(program.file_name()) {
            symlink(program.path(), target.join(program.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_programs_are_not_found_and_the_first_of_a_name_is() {
        let base = env::temp_dir().join(format!("xtask-e2e-{}", std::process::id()));
        for (folder, program) in [
            ("a", "cc"),
            ("a", "docker"),
            ("b", "cc"),
            ("b", "kubectl"),
            ("b", "ld"),
        ] {
            fs::create_dir_all(base.join(folder)).unwrap();
            fs::write(base.join(folder).join(program), folder).unwrap();
        }
        let path = env::join_paths([base.join("a"), base.join("b"), base.join("absent")]).unwrap();
        let target = base.join("links");
        link_programs(&path, &target).unwrap();
        link_programs(&path, &target).unwrap();
        let mut found: Vec<_> = fs::read_dir(&target)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        found.sort();
        assert_eq!(found, ["cc", "ld"]);
        assert_eq!(fs::read_to_string(target.join("cc")).unwrap(), "a");
        fs::remove_dir_all(base).unwrap();
    }
}
