//! The inner build: whatever the user tells cargo, the program is one for the container, and nothing is lost.
//!
//! The programs are tiny and hold the container marker themselves, so that a build takes a second; that the attributes
//! place it is tested with the attributes.

use std::{fs, path::Path};

use metaparticle::deploy::{
    build::{self, Arch, BuildError, Environment, Profile, Program},
    report::{Event, Report},
};
use metaparticle_spec::Build;

use crate::directory;

/// Says in its bytes what the compiler was told.
const SOURCE: &str = r#"
#[cfg(metaparticle_container)]
#[used]
static MARKER: [u8; 26] = *b"\0metaparticle-container-v1";
#[cfg(of_user)]
#[used]
static USER: [u8; 16] = *b"<flag of a user>";
#[cfg(of_user_too)]
#[used]
static USER_TOO: [u8; 18] = *b"<another of a user>".first_chunk::<18>().unwrap();
fn main() {
    println!("{}", env!("CARGO_PKG_NAME"));
}
"#;

/// A workspace of one package below its root, as users have them.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(directory());
        project.write(
            "Cargo.toml",
            "[workspace]\nmembers = ['tool', 'lib']\nresolver = '3'\n",
        );
        for (package, file, source) in [("tool", "main.rs", SOURCE), ("lib", "lib.rs", "")] {
            let manifest =
                format!("[package]\nname = '{package}'\nversion = '0.1.0'\nedition = '2024'\n");
            project.write(&format!("{package}/Cargo.toml"), &manifest);
            project.write(&format!("{package}/src/{file}"), source);
        }
        project
    }

    fn with(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn has(&self, path: &str) -> bool {
        self.0.path().join(path).exists()
    }

    fn description(&self) -> Build {
        Build {
            package: "tool".to_owned(),
            version: "0.1.0".to_owned(),
            bin: "tool".to_owned(),
            example: false,
            features: Vec::new(),
            rustc: String::new(),
            manifest_dir: self.0.path().join("tool").to_str().unwrap().to_owned(),
            package_path: "tool".to_owned(),
        }
    }

    /// Builds with these variables on top of those of the test, whose own flags do not count.
    async fn build(&self, variables: &[(&str, &str)]) -> Result<Program, BuildError> {
        let mut environment = Environment::of_process();
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET_DIR",
            "CARGO_BUILD_BUILD_DIR",
        ] {
            environment = environment.with(name, None);
        }
        for (name, value) in variables {
            environment = environment.with(name, Some(value));
        }
        let description = self.description();
        let report = Report::capture();
        build::build(
            &description,
            Arch::Amd64,
            Profile::Fast,
            &environment,
            &report,
        )
        .await
    }
}

fn holds(program: &Program, text: &str) -> bool {
    let text = text.as_bytes();
    program
        .content
        .windows(text.len())
        .any(|window| window == text)
}

const FLAG: &str = "<flag of a user>";

/// Builds, and checks that the user's flag has arrived. That the marker has is checked by the build.
async fn keeps_flag(project: Project, variables: &[(&str, &str)]) {
    let program = project.build(variables).await.unwrap();
    assert!(holds(&program, FLAG));
}

#[tokio::test]
async fn package_of_a_workspace_is_built_below_its_target_directory() {
    let project = Project::new();
    let program = project.build(&[]).await.unwrap();
    assert!(!holds(&program, FLAG));
    assert!(project.has("target/metaparticle/build"));
    assert!(
        !project.has("target/debug"),
        "the outer build's directory is not touched"
    );
    assert!(!project.has("tool/target"));
    assert_eq!(
        program.cache,
        project
            .0
            .path()
            .canonicalize()
            .unwrap()
            .join("target/metaparticle")
    );
}

#[tokio::test]
async fn rustflags_of_the_environment_keep_working() {
    keeps_flag(Project::new(), &[("RUSTFLAGS", "--cfg of_user")]).await;
}

#[tokio::test]
async fn encoded_rustflags_keep_working() {
    keeps_flag(
        Project::new(),
        &[("CARGO_ENCODED_RUSTFLAGS", "--cfg\x1fof_user")],
    )
    .await;
}

#[tokio::test]
async fn build_rustflags_keep_working() {
    let config = "[build]\nrustflags = ['--cfg', 'of_user']\n";
    keeps_flag(Project::new().with(".cargo/config.toml", config), &[]).await;
}

#[tokio::test]
async fn rustflags_of_a_triple_and_of_a_cfg_keep_working_together() {
    let config = "
        [target.x86_64-unknown-linux-musl]
        rustflags = '--cfg of_user_too'
        [target.x86_64-unknown-linux-gnu]
        rustflags = '--cfg of_user_too'
        [target.'cfg(target_os = \"linux\")']
        rustflags = ['--cfg', 'of_user']
        [build]
        rustflags = ['--cfg', 'not_used_by_cargo_either']
    ";
    let project = Project::new().with("tool/.cargo/config.toml", config);
    let program = project.build(&[]).await.unwrap();
    assert!(holds(&program, FLAG) && holds(&program, "<another of a user"));
}

#[tokio::test]
async fn rustflags_of_an_included_configuration_keep_working() {
    let project = Project::new()
        .with(
            ".cargo/config.toml",
            "include = [{ path = 'flags.toml', optional = true }]\n",
        )
        .with(
            ".cargo/flags.toml",
            "[build]\nrustflags = ['--cfg', 'of_user']\n",
        );
    keeps_flag(project, &[]).await;
}

#[tokio::test]
async fn target_directory_of_the_configuration_is_used() {
    let config = "[build]\ntarget-dir = 'elsewhere'\n";
    let project = Project::new().with(".cargo/config.toml", config);
    project.build(&[]).await.unwrap();
    assert!(project.has("elsewhere/metaparticle/build") && !project.has("target"));
}

#[tokio::test]
async fn target_directory_of_the_environment_is_used() {
    let (project, target) = (Project::new(), directory());
    let path = target.path().to_str().unwrap();
    project.build(&[("CARGO_TARGET_DIR", path)]).await.unwrap();
    assert!(target.path().join("metaparticle/build").exists() && !project.has("target"));
}

#[tokio::test]
async fn build_directory_is_used_and_keeps_apart_from_the_outer_build() {
    let config = "[build]\nbuild-dir = 'intermediate'\n";
    let project = Project::new().with(".cargo/config.toml", config);
    project.build(&[]).await.unwrap();
    assert!(project.has("intermediate/metaparticle/build") && !project.has("intermediate/debug"));
    assert!(project.has("target/metaparticle/build"));
}

#[tokio::test]
async fn compiler_that_drops_the_flag_is_found_out() {
    let project = Project::new();
    let wrapper = project.0.path().join("wrapper");
    let script = "#!/bin/sh\nfor arg in \"$@\"; do shift; [ \"$arg\" = metaparticle_container ] && arg=nothing; set -- \"$@\" \"$arg\"; done\nexec \"$@\"\n";
    executable(&wrapper, script);
    let flags = ("RUSTFLAGS", "--cfg of_user");
    let wrapper = ("RUSTC_WRAPPER", wrapper.to_str().unwrap());
    let error = project.build(&[flags, wrapper]).await.unwrap_err();
    assert!(matches!(error, BuildError::NoMarker { .. }), "{error}");
    assert!(error.to_string().contains("RUSTFLAGS"), "{error}");
}

#[tokio::test]
async fn program_that_does_not_compile_tells_what_the_compiler_says() {
    let project = Project::new().with("tool/src/main.rs", "fn main() { missing() }");
    let report = Report::capture();
    let environment = Environment::of_process();
    let description = project.description();
    let error = build::build(
        &description,
        Arch::Amd64,
        Profile::Fast,
        &environment,
        &report,
    )
    .await
    .unwrap_err();
    assert!(matches!(error, BuildError::Cargo { .. }), "{error}");
    let told = report.captured().into_iter().any(
        |event| matches!(event, Event::Compiler { line } if line.contains("cannot find function `missing`")),
    );
    assert!(told, "{:#?}", report.captured());
}

#[tokio::test]
async fn lockfile_is_neither_written_nor_changed() {
    let project = Project::new().with("Cargo.lock", "version = 4\n");
    let error = project.build(&[]).await.unwrap_err();
    assert!(matches!(error, BuildError::Cargo { .. }), "{error}");
    let lock = fs::read_to_string(project.0.path().join("Cargo.lock")).unwrap();
    assert_eq!(lock, "version = 4\n");
}

#[cfg(unix)]
fn executable(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let written = path.with_extension("new");
    fs::write(&written, script).unwrap();
    fs::set_permissions(&written, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(written, path).unwrap();
}
