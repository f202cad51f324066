//! The generated Dockerfile's `RUN` instructions, executed by a shell on a small workspace: cargo accepts them, and the
//! program is the container's. What is left to docker is the base image, the copies and the caches.
#![cfg(unix)]

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Output},
    time::SystemTime,
};

use metaparticle_spec::{Build, render::render};
use metaparticle_tests::apps;
use tempfile::TempDir;

/// A workspace with flags of its own, and a dependency that only the host may see: it does not compile.
fn workspace() -> TempDir {
    let root = tempfile::tempdir().expect("a directory for the test");
    let write = |path: &str, text: &str| {
        let path = root.path().join("src").join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder"))
            .expect("the folder is made");
        fs::write(path, text).expect("the file is written");
    };
    write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"3\"\n",
    );
    write(
        ".cargo/config.toml",
        "[build]\nrustflags = [\"--cfg\", \"flag_of_the_user\"]\n",
    );
    write(
        "crates/deployer/Cargo.toml",
        "[package]\nname = \"deployer\"\nedition = \"2024\"\n",
    );
    write(
        "crates/deployer/src/lib.rs",
        "compile_error!(\"the deployer is compiled for a container\");\n",
    );
    write(
        "crates/demo/Cargo.toml",
        "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[features]\ntls = []\ndefault = []\n\n\
         [target.'cfg(not(metaparticle_container))'.dependencies]\ndeployer = { path = \"../deployer\" }\n",
    );
    write("crates/demo/examples/everything.rs", &program("first"));
    root
}

fn program(word: &str) -> String {
    format!(
        "#![allow(unexpected_cfgs)]\nfn main() {{\n    println!(\"{word} {{}} {{}} {{}}\", cfg!(metaparticle_container), \
         cfg!(flag_of_the_user), cfg!(feature = \"tls\"));\n}}\n"
    )
}

/// Runs every `RUN` of the Dockerfile in order, with the paths of the image moved below `root`.
fn run(root: &Path, build: &Build) -> Output {
    let dockerfile = render(&apps::everything(), build)
        .remove(0)
        .text
        .replace("\\\n", " ");
    let mut command = Command::new("sh");
    command.current_dir(root.join("src"));
    for variable in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_TARGET_DIR",
    ] {
        command.env_remove(variable);
    }
    let moved = |text: &str| {
        let root = root.to_str().expect("the test's directory is UTF-8");
        let places = [
            ("/usr/local/bin/", "/"),
            ("/target", "/target"),
            ("/app", "/app"),
        ];
        places.iter().fold(text.to_owned(), |text, (from, to)| {
            text.replace(from, &format!("{root}{to}"))
        })
    };
    let mut script = vec!["set -e".to_owned()];
    for line in dockerfile.lines() {
        if let Some(instruction) = line.strip_prefix("RUN ") {
            let words = instruction
                .split(' ')
                .filter(|word| !word.starts_with("--mount="));
            script.push(moved(&words.collect::<Vec<_>>().join(" ")));
        } else if let Some((name, value)) = line
            .strip_prefix("ENV ")
            .and_then(|pair| pair.split_once('='))
        {
            script.push(format!("export {name}={}", moved(value)));
        }
    }
    command
        .args(["-c", &script.join("\n")])
        .output()
        .expect("there is a shell")
}

fn build() -> Build {
    apps::build(&apps::everything())
}

/// Runs the instructions, which must succeed, and then the program.
fn answer(root: &Path) -> String {
    let output = run(root, &build());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let program = Command::new(root.join("app"))
        .output()
        .expect("the program runs");
    String::from_utf8(program.stdout).expect("the program prints UTF-8")
}

#[test]
fn the_program_is_built_for_a_container_and_with_the_users_flags() {
    let root = workspace();
    assert_eq!(answer(root.path()), "first true true true\n");
}

#[test]
fn sources_older_than_the_cache_are_built_again() {
    let root = workspace();
    answer(root.path());
    let path = root.path().join("src/crates/demo/examples/everything.rs");
    fs::write(&path, program("second")).expect("the file is written");
    let file = File::options()
        .append(true)
        .open(&path)
        .expect("the file is there");
    file.set_modified(SystemTime::UNIX_EPOCH)
        .expect("times can be set");
    assert_eq!(answer(root.path()), "second true true true\n");
}

#[test]
fn a_lockfile_is_obeyed() {
    let root = workspace();
    fs::write(root.path().join("src/Cargo.lock"), "version = 4\n").expect("the file is written");
    let output = run(root.path(), &build());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && stderr.contains("--locked"),
        "{stderr}"
    );
}
