//! [`find`]: cargo's target directory, from where rustc writes.
//!
//! Rustc writes into cargo's *build* directory. That is the target directory, however it was chosen, unless
//! `build.build-dir` is set; only then the configuration is read.

use std::path::{Path, PathBuf};

use crate::{cargo_config::Settings, invocation::Invocation};

/// The target directory of the cargo that runs this rustc.
pub fn find(invocation: &Invocation) -> Option<PathBuf> {
    let build_dir = build_dir(invocation)?;
    let settings = Settings::of_this_process();
    if settings.build_dir.is_none() {
        return Some(build_dir.to_owned());
    }
    // Cargo runs rustc in the workspace's root.
    let default = || std::env::current_dir().ok().map(|root| root.join("target"));
    settings
        .target_dir
        .or_else(default)
        .filter(|dir| dir.is_dir())
}

/// `<build directory>/[<platform>/]<profile>/…` is what rustc writes to.
fn build_dir(invocation: &Invocation) -> Option<&Path> {
    let profile = invocation
        .out_dir
        .as_deref()?
        .ancestors()
        .find(is_profile)?;
    let above = profile.parent()?;
    // A platform of one's own is named by its file, `<name>.json`.
    let platform = invocation.platform.as_deref().and_then(Path::file_stem);
    if platform.is_some() && above.file_name() == platform {
        above.parent()
    } else {
        Some(above)
    }
}

/// Cargo locks the directory of a profile while it builds.
fn is_profile(dir: &&Path) -> bool {
    [".cargo-lock", ".cargo-build-lock"]
        .iter()
        .any(|lock| dir.join(lock).is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What rustc is told when cargo builds into `profile`, which is below the target directory.
    fn invocation(target: &Path, profile: &str, platform: Option<&str>) -> Invocation {
        let profile = target.join(profile);
        fs::create_dir_all(&profile).unwrap();
        fs::write(profile.join(".cargo-lock"), "").unwrap();
        Invocation {
            out_dir: Some(profile.join("deps")),
            platform: platform.map(PathBuf::from),
            ..Invocation::default()
        }
    }

    #[test]
    fn every_profile_and_platform_lies_in_one_target_directory() {
        for (profile, platform) in [
            ("debug", None),
            ("release", None),
            (
                "aarch64-unknown-linux-musl/small",
                Some("aarch64-unknown-linux-musl"),
            ),
            ("own/debug", Some("/platforms/own.json")),
            // A profile may be named like anything.
            ("x86_64-unknown-linux-gnu", None),
        ] {
            let target = tempfile::tempdir().unwrap();
            let invocation = invocation(target.path(), profile, platform);
            assert_eq!(build_dir(&invocation), Some(target.path()), "{profile}");
        }
    }

    #[test]
    fn directory_that_is_not_cargos_has_none() {
        let invocation = Invocation {
            out_dir: Some(tempfile::tempdir().unwrap().path().join("out")),
            ..Invocation::default()
        };
        assert_eq!(build_dir(&invocation), None);
    }
}
