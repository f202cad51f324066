//! [`find`]: cargo's target directory, from where rustc writes.
//!
//! Rustc writes into cargo's *build* directory. That is the target directory, however it was chosen, unless
//! `build.build-dir` is set; only then the configuration is read.

use std::path::{Path, PathBuf};

use crate::cargo_config::Settings;

/// The target directory of the cargo that compiles into `out_dir`.
pub fn find(out_dir: &Path) -> Option<PathBuf> {
    let build_dir = out_dir.ancestors().find(|dir| is_marked(dir))?;
    let settings = Settings::of_this_process();
    if settings.build_dir.is_none() {
        return Some(build_dir.to_owned());
    }
    // Cargo runs rustc in the workspace's root.
    let default = || std::env::current_dir().ok().map(|root| root.join("target"));
    settings
        .target_dir
        .or_else(default)
        .filter(|dir| is_marked(dir))
}

/// Cargo marks both directories for backup programs before it starts rustc.
fn is_marked(dir: &Path) -> bool {
    dir.join("CACHEDIR.TAG").is_file()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn out_dir_lies_at_any_depth() {
        let target = tempfile::tempdir().unwrap();
        fs::write(target.path().join("CACHEDIR.TAG"), "").unwrap();
        for out_dir in ["debug/deps", "x86_64-unknown-linux-musl/release/examples"] {
            let out_dir = target.path().join(out_dir);
            assert_eq!(find(&out_dir).as_deref(), Some(target.path()));
        }
    }

    #[test]
    fn directory_that_is_not_cargos_has_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(find(&dir.path().join("out")), None);
    }
}
