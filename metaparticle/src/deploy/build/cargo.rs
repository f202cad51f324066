//! [`Cargo`]: runs cargo and rustc.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use cargo_platform::Cfg;
use metaparticle_spec::Build;
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::Command,
};

use super::{
    BuildError, config::Config, environment::Environment, flags::Flags, platform::Platform,
};
use crate::deploy::report::{Event, Report};

/// Cargo and rustc as the user has them.
#[derive(Clone, Debug)]
pub(super) struct Cargo {
    program: PathBuf,
    rustc: PathBuf,
    /// The package's directory. Cargo runs in it, so that its configuration counts from wherever the user is.
    directory: PathBuf,
    variables: BTreeMap<OsString, OsString>,
    environment: Environment,
    config: Config,
}

/// Where cargo keeps what.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Layout {
    pub(super) workspace_root: PathBuf,
    pub(super) target_directory: PathBuf,
    /// Unknown to cargo before 1.91.
    build_directory: Option<PathBuf>,
    #[serde(skip)]
    inner: PathBuf,
}

impl Layout {
    /// Target directory of the inner build.
    fn inner_target_directory(&self) -> PathBuf {
        self.target_directory.join(INNER)
    }

    /// Directory of the inner build's intermediate files.
    pub(super) fn inner_build_directory(&self) -> &Path {
        &self.inner
    }
}

const INNER: &str = "metaparticle/build";
/// Subject of progress events.
const SUBJECT: &str = "build";

impl Cargo {
    /// The cargo that ran this program, or the one on `PATH`; the rustc that it uses.
    pub(super) fn find(environment: &Environment, config: &Config, directory: &Path) -> Self {
        let cargo = environment
            .path("CARGO")
            .filter(|path| path.is_file())
            .unwrap_or_else(|| "cargo".into());
        let sibling = cargo.with_file_name(format!("rustc{}", std::env::consts::EXE_SUFFIX));
        let named = |name: &str| environment.var(name).map(PathBuf::from);
        let rustc = named("RUSTC")
            .or_else(|| named("CARGO_BUILD_RUSTC"))
            .or_else(|| Some(config.get(&["build", "rustc"])?.as_str()?.into()))
            .or_else(|| sibling.is_file().then_some(sibling))
            .unwrap_or_else(|| "rustc".into());
        Self {
            program: cargo,
            rustc,
            directory: directory.to_owned(),
            variables: environment.for_cargo(),
            environment: environment.clone(),
            config: config.clone(),
        }
    }

    /// Asks cargo where things are.
    pub(super) async fn layout(&self) -> Result<Layout, BuildError> {
        let manifest = self.directory.join("Cargo.toml");
        let arguments: [&OsStr; 5] = [
            "metadata".as_ref(),
            "--no-deps".as_ref(),
            "--format-version=1".as_ref(),
            "--manifest-path".as_ref(),
            manifest.as_ref(),
        ];
        let answer = self.ask(&self.program, &arguments).await?;
        let mut layout: Layout =
            serde_json::from_str(&answer).map_err(|error| BuildError::Ask {
                command: "cargo metadata".to_owned(),
                message: error.to_string(),
            })?;
        let build = layout
            .build_directory
            .as_ref()
            .unwrap_or(&layout.target_directory);
        layout.inner = build.join(INNER);
        Ok(layout)
    }

    /// Asks rustc where its libraries are.
    pub(super) async fn sysroot(&self) -> Result<PathBuf, BuildError> {
        let arguments: [&OsStr; 2] = ["--print".as_ref(), "sysroot".as_ref()];
        let answer = self.ask(&self.rustc, &arguments).await?;
        Ok(answer.trim().into())
    }

    /// Asks rustc what `cfg` knows of a platform.
    pub(super) async fn cfgs(&self, triple: &str) -> Result<Vec<Cfg>, BuildError> {
        let arguments: [&OsStr; 4] = [
            "--print".as_ref(),
            "cfg".as_ref(),
            "--target".as_ref(),
            triple.as_ref(),
        ];
        let answer = self.ask(&self.rustc, &arguments).await?;
        Ok(answer
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect())
    }

    async fn ask(&self, program: &Path, arguments: &[&OsStr]) -> Result<String, BuildError> {
        let output = self
            .command(program)
            .args(arguments)
            .output()
            .await
            .map_err(|source| start(program, source))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let command: Vec<_> = std::iter::once(program.as_os_str())
            .chain(arguments.iter().copied())
            .map(OsStr::to_string_lossy)
            .collect();
        Err(BuildError::Ask {
            command: command.join(" "),
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Runs the inner build; the path of the executable. What cargo says goes to `report`: what it is doing while it
    /// does it, errors and warnings only if it fails, because the outer build has told them already.
    pub(super) async fn build(
        &self,
        build: &Build,
        layout: &Layout,
        platform: &Platform,
        profile: &[String],
        flags: &Flags,
        report: &Report,
    ) -> Result<PathBuf, BuildError> {
        let mut command = self.command(&self.program);
        command
            .args([
                "build",
                "--message-format=json-render-diagnostics",
                "--manifest-path",
            ])
            .arg(self.directory.join("Cargo.toml"))
            .args(build.cargo_args())
            .args(["--target", platform.triple, "--target-dir"])
            .arg(layout.inner_target_directory())
            .args(profile)
            .env("CARGO_ENCODED_RUSTFLAGS", flags.encoded())
            .env_remove("RUSTFLAGS")
            .envs(platform.tools(&self.environment, &self.config));
        if layout.build_directory.is_some() {
            command.env("CARGO_BUILD_BUILD_DIR", &layout.inner);
        }
        if layout.workspace_root.join("Cargo.lock").is_file() {
            command.arg("--locked");
        }
        report.event(Event::running(
            SUBJECT,
            format!("{} for {}", build.bin, platform.triple),
        ));
        let mut child = command
            .spawn()
            .map_err(|source| start(&self.program, source))?;
        let messages = executable(child.stdout.take(), build);
        let diagnostics = told(child.stderr.take(), report);
        let (executable, diagnostics, status) = tokio::join!(messages, diagnostics, child.wait());
        let status: ExitStatus = status.map_err(|source| start(&self.program, source))?;
        if !status.success() {
            for line in diagnostics {
                report.event(Event::Compiler { line });
            }
            report.event(Event::failed(SUBJECT, format!("{} failed", build.bin)));
            let bin = build.bin.clone();
            return Err(BuildError::Cargo { bin, status });
        }
        report.event(Event::done(
            SUBJECT,
            format!("{} for {}", build.bin, platform.triple),
        ));
        let executable = executable.ok_or_else(|| BuildError::NoExecutable {
            bin: build.bin.clone(),
        })?;
        report.event(Event::done(
            SUBJECT,
            format!("{} for {}", build.bin, platform.triple),
        ));
        Ok(executable)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.directory)
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

fn start(program: &Path, source: std::io::Error) -> BuildError {
    BuildError::Start {
        program: program.to_owned(),
        source,
    }
}

/// The executable that cargo's messages name for the wanted target.
async fn executable(messages: Option<impl AsyncRead + Unpin>, build: &Build) -> Option<PathBuf> {
    let mut found = None;
    let mut lines = BufReader::new(messages?).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        found = executable_of(&line, build).or(found);
    }
    found
}

fn executable_of(message: &[u8], build: &Build) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        target: Option<Target>,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
        kind: Vec<String>,
    }
    let message: Message = serde_json::from_slice(message).ok()?;
    let kind = if build.example { "example" } else { "bin" };
    let wanted = message.reason == "compiler-artifact"
        && message.target.is_some_and(|target| {
            target.name == build.bin && target.kind.iter().any(|known| known == kind)
        });
    wanted.then_some(message.executable).flatten()
}

/// Tells what cargo is doing; returns its other lines, the last some thousands.
async fn told(lines: Option<impl AsyncRead + Unpin>, report: &Report) -> VecDeque<String> {
    const KEPT: usize = 5000;
    let mut kept = VecDeque::new();
    let Some(lines) = lines else { return kept };
    let mut lines = BufReader::new(lines).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line).into_owned();
        if let Some(status) = status_line(&line) {
            report.event(Event::running(SUBJECT, status));
        } else {
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }
    kept
}

/// Cargo right-aligns what it is doing in 12 columns: `   Compiling web v0.1.0 (/w/web)`.
fn status_line(line: &str) -> Option<&str> {
    let text = line.trim_start();
    let (verb, rest) = text.split_once(' ')?;
    let aligned = line.len() - text.len() + verb.len() == 12;
    let is_verb = verb.starts_with(|c: char| c.is_ascii_uppercase())
        && verb.bytes().all(|b| b.is_ascii_alphabetic());
    (aligned && is_verb && !rest.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(bin: &str, example: bool) -> Build {
        Build {
            package: "p".into(),
            version: "1.0.0".into(),
            bin: bin.into(),
            example,
            features: Vec::new(),
            rustc: "1.95.0".into(),
            manifest_dir: "/w/p".into(),
            package_path: String::new(),
        }
    }

    fn message(name: &str, kind: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","target":{{"name":"{name}","kind":["{kind}"]}},"executable":"/t/{name}"}}"#
        )
    }

    #[test]
    fn executable_is_the_one_of_the_wanted_target() {
        let web = Some(PathBuf::from("/t/web"));
        assert_eq!(
            executable_of(message("web", "bin").as_bytes(), &build("web", false)),
            web
        );
        assert_eq!(
            executable_of(message("web", "example").as_bytes(), &build("web", true)),
            web
        );
        assert_eq!(
            executable_of(message("web", "example").as_bytes(), &build("web", false)),
            None
        );
        assert_eq!(
            executable_of(message("api", "bin").as_bytes(), &build("web", false)),
            None
        );
        assert_eq!(
            executable_of(b"a line of a build script", &build("web", false)),
            None
        );
    }

    #[test]
    fn status_lines_are_told_apart_from_diagnostics() {
        for (line, status) in [
            ("   Compiling web v0.1.0 (/w/web)", true),
            (
                "    Finished `dev` profile [unoptimized] target(s) in 0.5s",
                true,
            ),
            (
                "    Blocking waiting for file lock on build directory",
                true,
            ),
            ("warning: unused variable: `x`", false),
            ("  --> src/main.rs:1:1", false),
            ("error[E0425]: cannot find value", false),
            ("   |    Something in code", false),
        ] {
            assert_eq!(status_line(line).is_some(), status, "{line}");
        }
    }
}
