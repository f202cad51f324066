//! [`Environment`]: the variables of this process, and those of the inner cargo.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
};

/// Environment variables, and the directory that relative paths in them start from.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    directory: PathBuf,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            variables: env::vars_os().collect(),
            directory: env::current_dir().unwrap_or_default(),
        }
    }

    /// The same environment with another value of one variable, or without it.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.variables.insert(name.into(), value.into()),
            None => self.variables.remove(OsStr::new(name)),
        };
        self
    }

    #[cfg(test)]
    pub(super) fn of(variables: &[(&str, &str)]) -> Self {
        Self {
            variables: variables
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            directory: "/here".into(),
        }
    }

    pub(super) fn var(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
    }

    /// A variable that holds text; another is as good as none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.var(name)?.to_str()
    }

    /// A path, made absolute.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        let value = self.var(name).filter(|value| !value.is_empty())?;
        Some(self.directory.join(value))
    }

    pub(super) fn home(&self) -> Option<PathBuf> {
        self.path("HOME").or_else(|| self.path("USERPROFILE"))
    }

    pub(super) fn cargo_home(&self) -> Option<PathBuf> {
        self.path("CARGO_HOME")
            .or_else(|| Some(self.home()?.join(".cargo")))
    }

    /// Whether a program of this name is on `PATH`.
    pub(super) fn has_program(&self, name: &str) -> bool {
        let path = self.var("PATH").unwrap_or_default();
        env::split_paths(path).any(|dir| dir.join(name).is_file())
    }

    /// The variables for cargo: without those that the outer cargo set for this process, and with absolute paths,
    /// because the inner cargo runs in another directory.
    pub(super) fn for_cargo(&self) -> BTreeMap<OsString, OsString> {
        let mut variables = self.variables.clone();
        variables.retain(|name, _| !name.to_str().is_some_and(is_of_outer_cargo));
        for name in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET_DIR",
            "RUSTUP_HOME",
        ] {
            if let Some(path) = self.path(name) {
                variables.insert(name.into(), path.into());
            }
        }
        if let Some(paths) = self.library_paths() {
            variables.insert(LIBRARY_PATH.into(), paths);
        }
        variables
    }

    /// What is left of the search path of libraries without the directories that the outer cargo put in front, which
    /// belong to another compiler's host or to the outer build.
    fn library_paths(&self) -> Option<OsString> {
        let target = self.path("CARGO_TARGET_DIR");
        let of_cargo = |path: &Path| {
            path.components().any(|part| part.as_os_str() == "rustlib")
                || path.ends_with("deps")
                || path.join(".fingerprint").is_dir()
                || path.join("rustlib").is_dir()
                || target
                    .as_ref()
                    .is_some_and(|target| path.starts_with(target))
        };
        let paths: Vec<PathBuf> = env::split_paths(self.var(LIBRARY_PATH)?)
            .filter(|path| !path.as_os_str().is_empty() && !of_cargo(path))
            .collect();
        if paths.is_empty() {
            return None;
        }
        env::join_paths(paths).ok()
    }
}

/// Values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

const LIBRARY_PATH: &str = if cfg!(target_os = "macos") {
    "DYLD_FALLBACK_LIBRARY_PATH"
} else {
    "LD_LIBRARY_PATH"
};

/// Whether cargo sets this variable for the programs it runs. `CARGO` and `RUSTUP_TOOLCHAIN` stay: they name the
/// toolchain of the outer build.
fn is_of_outer_cargo(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || matches!(
            name,
            "CARGO_BIN_NAME"
                | "CARGO_CRATE_NAME"
                | "CARGO_PRIMARY_PACKAGE"
                | "CARGO_TARGET_TMPDIR"
                | "OUT_DIR"
                | "RUST_RECURSION_COUNT"
                | LIBRARY_PATH
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_gets_nothing_that_the_outer_cargo_set() {
        let environment = Environment::of(&[
            ("CARGO", "/bin/cargo"),
            ("CARGO_PKG_NAME", "web"),
            ("CARGO_MANIFEST_DIR", "/w/web"),
            ("CARGO_MANIFEST_PATH", "/w/web/Cargo.toml"),
            ("CARGO_BIN_NAME", "web"),
            ("LD_LIBRARY_PATH", "/w/target/debug/deps"),
            ("CARGO_NET_OFFLINE", "true"),
            ("CC_x86_64_unknown_linux_musl", "cc"),
            ("RUSTUP_TOOLCHAIN", "stable"),
        ]);
        let names: Vec<OsString> = environment.for_cargo().into_keys().collect();
        assert_eq!(
            names,
            [
                "CARGO",
                "CARGO_NET_OFFLINE",
                "CC_x86_64_unknown_linux_musl",
                "RUSTUP_TOOLCHAIN"
            ]
        );
    }

    #[test]
    fn library_paths_of_the_user_stay() {
        let environment = Environment::of(&[(
            "LD_LIBRARY_PATH",
            "/w/target/debug/deps:/t/lib/rustlib/x/lib:/opt/llvm/lib",
        )]);
        assert_eq!(
            environment.for_cargo().get(OsStr::new(LIBRARY_PATH)),
            Some(&"/opt/llvm/lib".into())
        );
    }

    #[test]
    fn relative_target_directory_starts_where_the_user_is() {
        let environment = Environment::of(&[("CARGO_TARGET_DIR", "out")]);
        assert_eq!(
            environment.for_cargo().get(OsStr::new("CARGO_TARGET_DIR")),
            Some(&"/here/out".into())
        );
    }
}
