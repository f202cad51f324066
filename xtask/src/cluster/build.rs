//! The Go programs of the cluster: built once, kept outside the checkout under
//! a name made from all that they are made of.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::error::{Error, file};
use super::prerequisites::parse_go_version;
use crate::{command, terminal};

/// A Go module of ours that is one program.
#[derive(Debug)]
pub(super) struct Module {
    name: &'static str,
    tags: &'static str,
    manifest: &'static str,
    sums: &'static str,
    source: &'static str,
    /// How long the first build takes, for people.
    takes: &'static str,
}

/// All programs of Kubernetes in one.
pub(super) const KUBERNETES: Module = Module {
    name: "kubernetes",
    tags: "providerless",
    manifest: include_str!("../../cluster/kubernetes/go.mod"),
    sums: include_str!("../../cluster/kubernetes/go.sum"),
    source: include_str!("../../cluster/kubernetes/main.go"),
    takes: "6 minutes on 2 cores",
};

/// The cluster's name server.
pub(super) const COREDNS: Module = Module {
    name: "coredns",
    tags: "",
    manifest: include_str!("../../cluster/coredns/go.mod"),
    sums: include_str!("../../cluster/coredns/go.sum"),
    source: include_str!("../../cluster/coredns/main.go"),
    takes: "1 minute on 2 cores",
};

impl Module {
    /// Every module of the cluster.
    pub(super) fn all() -> [Self; 2] {
        [KUBERNETES, COREDNS]
    }

    /// Is it in the cache?
    pub(super) fn is_built(&self) -> bool {
        self.program().exists()
    }

    /// The Go that it needs at least.
    pub(super) fn go_version(&self) -> (u32, u32) {
        let line = self
            .manifest
            .lines()
            .find_map(|line| line.strip_prefix("go "));
        line.and_then(parse_go_version)
            .expect("go.mod says which Go it needs")
    }

    /// The version of a module that it requires.
    pub(super) fn required_version(&self, module: &str) -> &'static str {
        let mut lines = self.manifest.lines().map(|line| line.split_whitespace());
        lines
            .find_map(|mut words| {
                words
                    .find(|word| *word == module)
                    .and_then(|_| words.next())
            })
            .expect("go.mod requires it")
    }

    /// Builds the program unless it is in the cache; returns where it is. To
    /// be called with the lock held.
    ///
    /// # Errors
    /// When the build fails or the cache cannot be written.
    pub(super) fn build(&self) -> Result<PathBuf, Error> {
        let program = self.program();
        if program.exists() {
            return Ok(program);
        }
        terminal::step(&format!(
            "building {} once (about {})",
            self.name, self.takes
        ));
        let folder = program.parent().expect("the program is in its folder");
        let source = folder.join("source");
        fs::create_dir_all(&source).map_err(file("create", &source))?;
        for (name, text) in [
            ("go.mod", self.manifest),
            ("go.sum", self.sums),
            ("main.go", self.source),
        ] {
            fs::write(source.join(name), text).map_err(file("write", source.join(name)))?;
        }
        // The build of a killed run may still be writing under another name.
        let new = folder.join(format!("new-{}", std::process::id()));
        let mut go = Command::new("go");
        go.args(["build", "-mod=readonly"])
            .args(self.flags())
            .arg("-o")
            .arg(&new)
            .arg(".");
        go.current_dir(&source)
            .env("CGO_ENABLED", "0")
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off");
        command::output(&mut go)?;
        fs::rename(&new, &program).map_err(file("write", &program))?;
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("new-") {
                // Left by a killed run; a leftover does no harm but take room.
                let _ = fs::remove_file(entry.path());
            }
        }
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

/// Where built programs are kept: `$XDG_CACHE_HOME/metaparticle/test-cluster`.
fn cache() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| Path::new(value).is_absolute());
    let home = || Path::new(&variable("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    let base = variable("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    base.join("metaparticle/test-cluster")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_part_changes_the_name_in_the_cache() {
        let original = KUBERNETES.key();
        assert_eq!(original, KUBERNETES.key());
        let changed = [
            Module {
                manifest: "module x\nk8s.io/kubernetes v1.0.0\n",
                ..KUBERNETES
            },
            Module {
                sums: "",
                ..KUBERNETES
            },
            Module {
                source: "package main",
                ..KUBERNETES
            },
            Module {
                tags: "other",
                ..KUBERNETES
            },
        ];
        for module in changed {
            assert_ne!(module.key(), original);
        }
    }

    #[test]
    fn version_in_the_program_is_the_one_that_is_required() {
        assert!(
            KUBERNETES
                .required_version("k8s.io/kubernetes")
                .starts_with("v1.")
        );
        let flags = KUBERNETES.flags().join(" ");
        let version = KUBERNETES.required_version("k8s.io/kubernetes");
        assert!(flags.contains(&format!("gitVersion={version} ")), "{flags}");
    }
}
