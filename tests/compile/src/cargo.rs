//! [`Cargo`]: one invocation of the cargo that runs the tests, free of what this repository's own build set.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// One invocation.
#[derive(Debug)]
pub struct Cargo(Command);

/// How it ended.
#[derive(Debug)]
pub struct Outcome {
    /// Whether cargo succeeded.
    pub is_success: bool,
    /// Cargo's messages, one JSON value each.
    pub messages: Vec<Value>,
    /// All of its output.
    pub stdout: String,
    /// What it said to the user.
    pub stderr: String,
}

impl Cargo {
    /// `cargo <args>` in `dir`; builds go to the shared directory.
    #[must_use]
    pub fn new(dir: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(args).current_dir(dir);
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            let is_ours = [
                "CARGO_BUILD_",
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_TARGET_",
            ]
            .iter()
            .any(|prefix| name.starts_with(prefix));
            if is_ours || ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"].contains(&&*name) {
                command.env_remove(&*name);
            }
        }
        Self(command).env("CARGO_TARGET_DIR", shared())
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Unsets a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// Runs it, and reads the messages of `--message-format=json`.
    #[must_use]
    pub fn run(mut self) -> Outcome {
        let output = self.0.output().expect("cargo can be run");
        let stdout = String::from_utf8(output.stdout).expect("cargo speaks UTF-8");
        Outcome {
            is_success: output.status.success(),
            messages: stdout
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect(),
            stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs it, and expects success.
    #[expect(
        clippy::must_use_candidate,
        reason = "success may be all that is asked for"
    )]
    #[track_caller]
    pub fn succeed(self) -> Outcome {
        let outcome = self.run();
        assert!(outcome.is_success, "{}", outcome.stderr);
        outcome
    }
}

impl Outcome {
    /// Whether a target was up to date.
    #[must_use]
    pub fn is_fresh(&self, target: &str) -> bool {
        let mut messages = self.messages.iter();
        messages.any(|message| message["target"]["name"] == target && message["fresh"] == true)
    }

    /// The executable of a target.
    #[must_use]
    #[track_caller]
    pub fn executable(&self, target: &str) -> PathBuf {
        let messages = self.messages.iter();
        let mut of_target = messages.filter(|message| message["target"]["name"] == target);
        let path = of_target.find_map(|message| message["executable"].as_str());
        path.unwrap_or_else(|| panic!("{target} was linked\n{}", self.stderr))
            .into()
    }

    /// The bytes of the executable of a target.
    #[must_use]
    #[track_caller]
    pub fn bytes(&self, target: &str) -> Vec<u8> {
        fs::read(self.executable(target)).expect("cargo has just linked it")
    }
}

/// The build directory that all packages share; it outlives the test run.
#[must_use]
pub fn shared() -> PathBuf {
    let executable = env::current_exe().expect("a test has an executable");
    let target = executable
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").is_file())
        .expect("cargo runs the tests from its target directory");
    let shared = target.join("tmp/compile-tests");
    fs::create_dir_all(&shared).expect("the target directory can be written");
    shared
}

/// The platform that the tests run on, by its full name.
#[must_use]
pub fn host() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .expect("rustc can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc says its host").to_owned()
}
