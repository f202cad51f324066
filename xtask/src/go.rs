//! Programs built from Go modules: once, and kept outside the checkout under a
//! name made from all that they are made of.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::file::{self, failed};
use crate::{command, terminal};

/// A Go module of ours that is, or pins, one program.
#[derive(Debug)]
pub(crate) struct Module {
    /// The program's name.
    pub(crate) name: &'static str,
    /// What is built: `.`, or a package that the module requires.
    pub(crate) package: &'static str,
    /// Build tags.
    pub(crate) tags: &'static str,
    /// `go.mod`.
    pub(crate) manifest: &'static str,
    /// `go.sum`.
    pub(crate) sums: &'static str,
    /// `main.go`, empty when a required package is built.
    pub(crate) source: &'static str,
    /// How long the first build takes, for people.
    pub(crate) takes: &'static str,
}

/// Why a program could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// Go failed.
    #[error("cannot build a program from its Go module")]
    Build(#[from] command::Error),
    /// The cache could not be written.
    #[error(transparent)]
    File(#[from] file::Error),
}

impl Module {
    /// Is it in the cache?
    pub(crate) fn is_built(&self) -> bool {
        self.program().exists()
    }

    /// The Go that it needs at least.
    pub(crate) fn go_version(&self) -> (u32, u32) {
        let line = self
            .manifest
            .lines()
            .find_map(|line| line.strip_prefix("go "));
        line.and_then(parse_version)
            .expect("go.mod says which Go it needs")
    }

    /// The version of a module that it requires.
    pub(crate) fn required_version(&self, module: &str) -> &'static str {
        let mut lines = self.manifest.lines().map(|line| line.split_whitespace());
        lines
            .find_map(|mut words| {
                words
                    .find(|word| *word == module)
                    .and_then(|_| words.next())
            })
            .expect("go.mod requires it")
    }

    /// Builds the program unless it is in the cache; returns where it is. Waits
    /// for another process that builds.
    ///
    /// # Errors
    /// When the build fails or the cache cannot be written.
    pub(crate) fn build(&self) -> Result<PathBuf, Error> {
        let program = self.program();
        let folder = program.parent().expect("the program is in its folder");
        let lock = cache().join("lock");
        fs::create_dir_all(cache()).map_err(failed("create", cache()))?;
        let turn = File::create(&lock).map_err(failed("open", &lock))?;
        turn.lock().map_err(failed("lock", &lock))?;
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("new-") {
                // Left by a killed run; a leftover does no harm but take room.
                let _ = fs::remove_file(entry.path());
            }
        }
        if program.exists() {
            return Ok(program);
        }
        terminal::step(&format!(
            "building {} once (about {})",
            self.name, self.takes
        ));
        let source = folder.join("source");
        fs::create_dir_all(&source).map_err(failed("create", &source))?;
        let files = [
            ("go.mod", self.manifest),
            ("go.sum", self.sums),
            ("main.go", self.source),
        ];
        for (name, text) in files.into_iter().filter(|(_, text)| !text.is_empty()) {
            fs::write(source.join(name), text).map_err(failed("write", source.join(name)))?;
        }
        // The build of a killed run may still be writing under another name.
        let new = folder.join(format!("new-{}", std::process::id()));
        let mut go = Command::new("go");
        go.args(["build", "-mod=readonly"])
            .args(self.flags())
            .arg("-o")
            .arg(&new)
            .arg(self.package);
        go.current_dir(&source)
            .env("CGO_ENABLED", "0")
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off")
            .env_remove("GOOS")
            .env_remove("GOARCH");
        command::output(&mut go)?;
        fs::rename(&new, &program).map_err(failed("write", &program))?;
        Ok(program)
    }

    fn flags(&self) -> Vec<String> {
        let mut link = "-s -w".to_owned();
        if self.name == "kubernetes" {
            let version = self.required_version("k8s.io/kubernetes");
            let mut parts = version.trim_start_matches('v').split('.');
            let (major, minor) = (parts.next().unwrap_or("0"), parts.next().unwrap_or("0"));
            let base = "-X k8s.io/component-base/version.git";
            link =
                format!("{link} {base}Version={version} {base}Major={major} {base}Minor={minor}");
        }
        let tags = format!("-tags={}", self.tags);
        ["-trimpath", "-buildvcs=false", &tags, "-ldflags", &link]
            .map(str::to_owned)
            .to_vec()
    }

    fn program(&self) -> PathBuf {
        cache()
            .join(format!("{}-{}", self.name, self.key()))
            .join(self.name)
    }

    /// From all that the program is made of.
    fn key(&self) -> String {
        let mut hash = Sha256::new();
        for part in [
            self.package,
            self.manifest,
            self.sums,
            self.source,
            &self.flags().join(" "),
        ] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let sum = hash.finalize();
        let start = sum.first_chunk().expect("a sum has 32 bytes");
        format!("{:016x}", u64::from_be_bytes(*start))
    }
}

/// Where built programs are kept: `$XDG_CACHE_HOME/metaparticle/test-programs`.
pub(crate) fn cache() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| Path::new(value).is_absolute());
    let home = || Path::new(&variable("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    let base = variable("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    base.join("metaparticle/test-programs")
}

/// `go1.26.3` or `1.26.0`.
pub(crate) fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().trim_start_matches("go").split('.');
    let number = |part: &str| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    Some((number(parts.next()?)?, number(parts.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: Module = Module {
        name: "kubernetes",
        package: ".",
        tags: "",
        manifest: "module x\ngo 1.26.0\nrequire k8s.io/kubernetes v1.36.3\n",
        sums: "sums",
        source: "package main",
        takes: "",
    };

    #[test]
    fn any_changed_part_changes_the_name_in_the_cache() {
        let original = MODULE.key();
        assert_eq!(original, MODULE.key());
        let changed = [
            Module {
                manifest: "module x\nk8s.io/kubernetes v1.0.0\n",
                ..MODULE
            },
            Module { sums: "", ..MODULE },
            Module {
                source: "package other",
                ..MODULE
            },
            Module {
                tags: "other",
                ..MODULE
            },
            Module {
                package: "x/y",
                ..MODULE
            },
        ];
        for module in changed {
            assert_ne!(module.key(), original);
        }
    }

    #[test]
    fn version_in_the_program_is_the_one_that_is_required() {
        let flags = MODULE.flags().join(" ");
        assert!(flags.contains("gitVersion=v1.36.3 "), "{flags}");
        assert!(flags.contains("gitMinor=36"), "{flags}");
    }

    #[test]
    fn versions_are_ordered_by_number() {
        assert_eq!(parse_version("go1.26.8\n"), Some((1, 26)));
        assert_eq!(parse_version("go1.27rc1"), Some((1, 27)));
        assert!(parse_version("go1.9.7") < parse_version("1.26.0"));
        assert_eq!(parse_version("devel"), None);
    }
}
