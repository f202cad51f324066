//! The files beside the binary: when they are written, where, and when not.

#![allow(clippy::unwrap_used, reason = "a suite panics where it fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use metaparticle_compile_tests::{
    Cargo, Outcome, Package,
    cargo::{host, shared},
    package,
};
use metaparticle_spec::Embedded;
use tempfile::TempDir;

const MAIN: &str = "#[metaparticle::replicated(4, ports = [8080])]\nfn main() {}\n";
const BUILD: [&str; 2] = ["build", "--message-format=json"];
const DOCKERFILE: &str = "Dockerfile";

#[test]
fn build_writes_what_is_embedded() {
    let (dir, package) = program("writes");
    let outcome = Cargo::new(&package.dir, &BUILD).succeed();
    let binary = outcome.bytes("writes");
    let embedded = Embedded::find(&binary).unwrap();
    let names: Vec<_> = embedded.artifacts.iter().map(|a| a.path.as_str()).collect();
    assert_eq!(
        names,
        [DOCKERFILE, "Dockerfile.dockerignore", "manifests.yaml"]
    );
    for artifact in embedded.artifacts {
        let file = place(&shared(), "writes/writes").join(&artifact.path);
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            artifact.text,
            "{}",
            file.display()
        );
    }
    drop(dir);
}

#[test]
fn second_build_is_fresh() {
    let (_dir, package) = program("fresh");
    assert!(!build(&package).is_fresh("fresh"));
    assert!(build(&package).is_fresh("fresh"));
}

#[test]
fn deleted_file_comes_back_and_the_build_after_that_is_fresh() {
    let (_dir, package) = program("deleted");
    let file = place(&shared(), "deleted/deleted").join(DOCKERFILE);
    build(&package);
    fs::remove_file(&file).unwrap();
    assert!(!build(&package).is_fresh("deleted"));
    assert!(file.is_file());
    assert!(build(&package).is_fresh("deleted"));
}

#[test]
fn edited_file_is_written_anew() {
    let (_dir, package) = program("edited");
    let file = place(&shared(), "edited/edited").join(DOCKERFILE);
    build(&package);
    let written = fs::read_to_string(&file).unwrap();
    fs::write(&file, "FROM elsewhere").unwrap();
    build(&package);
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
}

#[test]
fn changed_attribute_changes_the_file() {
    let (_dir, package) = program("changed");
    let file = place(&shared(), "changed/changed").join("manifests.yaml");
    build(&package);
    assert!(fs::read_to_string(&file).unwrap().contains("replicas: 4"));
    package.edit("src/main.rs", "replicated(4", "replicated(5");
    build(&package);
    assert!(fs::read_to_string(&file).unwrap().contains("replicas: 5"));
    assert!(build(&package).is_fresh("changed"));
}

#[test]
fn check_writes_none() {
    let (_dir, package) = program("checked");
    let _ = Cargo::new(&package.dir, &["check"]).succeed();
    assert!(!place(&shared(), "checked").exists());
}

#[test]
fn unit_tests_write_none() {
    let (_dir, package) = program("tested");
    let _ = Cargo::new(&package.dir, &["test", "--no-run"]).succeed();
    assert!(!place(&shared(), "tested").exists());
}

#[test]
fn container_build_writes_none() {
    let (_dir, package) = program("inner");
    let _ = Cargo::new(&package.dir, &BUILD)
        .env("CARGO_BUILD_TARGET", host())
        .env("RUSTFLAGS", "--cfg metaparticle_container")
        .succeed();
    assert!(!place(&shared(), "inner").exists());
}

#[test]
fn directory_that_cannot_be_written_is_no_mistake() {
    let (_dir, package) = program("readonly");
    // A file where a directory should be holds up even root.
    let obstacle = place(&shared(), "readonly");
    fs::create_dir_all(obstacle.parent().unwrap()).unwrap();
    fs::write(&obstacle, "").unwrap();
    build(&package);
    let is_fresh = build(&package).is_fresh("readonly");
    fs::remove_file(&obstacle).unwrap();
    assert!(is_fresh);
}

#[test]
fn binaries_examples_and_packages_keep_apart() {
    let dir = TempDir::new().unwrap();
    fs::write(
        dir.path().join("Cargo.toml"),
        "[workspace]\nmembers = ['a', 'b']\nresolver = '3'\n",
    )
    .unwrap();
    package::lock(dir.path());
    for (member, name) in [("a", "apart-a"), ("b", "apart-b")] {
        let package = Package::member(&dir.path().join(member), name);
        for source in ["src/bin/one.rs", "src/bin/two.rs", "examples/one.rs"] {
            package.write(
                source,
                &MAIN.replace(
                    "4,",
                    &format!("4, name = '{member}-{source}',")
                        .replace(['/', '.'], "-")
                        .replace('\'', "\""),
                ),
            );
        }
        let _ = fs::remove_dir_all(place(&shared(), name));
    }
    let args = ["build", "--workspace", "--bins", "--examples"];
    let _ = Cargo::new(dir.path(), &args).succeed();
    for (path, name) in [
        ("apart-a/one", "a-src-bin-one-rs"),
        ("apart-a/two", "a-src-bin-two-rs"),
        ("apart-a/examples/one", "a-examples-one-rs"),
        ("apart-b/one", "b-src-bin-one-rs"),
        ("apart-b/two", "b-src-bin-two-rs"),
        ("apart-b/examples/one", "b-examples-one-rs"),
    ] {
        let manifests = place(&shared(), path).join("manifests.yaml");
        let text = fs::read_to_string(&manifests).unwrap();
        assert!(
            text.contains(&format!("name: {name}\n")),
            "{}",
            manifests.display()
        );
    }
}

#[test]
fn named_platform_changes_nothing() {
    let (_dir, package) = program("platform");
    let _ = Cargo::new(&package.dir, &BUILD)
        .env("CARGO_BUILD_TARGET", host())
        .succeed();
    assert!(
        place(&shared(), "platform/platform")
            .join(DOCKERFILE)
            .is_file()
    );
}

/// Where the target directory and the build directory differ, and the former is chosen in one of many ways.
mod target_dir {
    use super::*;

    #[test]
    fn is_target_in_the_workspace_by_default() {
        let (dir, package) = program("by-default");
        split(&package, &[]).succeed();
        assert_written(&dir.path().join("by-default/target"), "by-default");
    }

    #[test]
    fn is_named_by_the_short_variable() {
        let (dir, package) = program("by-variable");
        split(&package, &[])
            .env("CARGO_TARGET_DIR", "../a tärget")
            .succeed();
        assert_written(&dir.path().join("a tärget"), "by-variable");
    }

    #[test]
    fn is_named_by_the_variable_of_the_setting() {
        let (dir, package) = program("by-setting");
        split(&package, &[])
            .env("CARGO_BUILD_TARGET_DIR", dir.path().join("out"))
            .succeed();
        assert_written(&dir.path().join("out"), "by-setting");
    }

    #[test]
    fn is_named_on_the_command_line() {
        let (dir, package) = program("by-option");
        split(&package, &["--target-dir", "../out"])
            .env("CARGO_TARGET_DIR", "weaker")
            .succeed();
        assert_written(&dir.path().join("out"), "by-option");
    }

    #[test]
    fn is_named_by_a_configuration_on_the_command_line() {
        let (dir, package) = program("by-config");
        split(&package, &["--config", "build.target-dir='../out'"]).succeed();
        assert_written(&dir.path().join("out"), "by-config");
    }

    #[test]
    fn is_named_with_the_build_directory_in_a_file() {
        let (dir, package) = program("by-file");
        let shared = shared();
        let text = format!(
            "[build]\nbuild-dir = '{}'\ntarget-dir = '../out'\n",
            shared.display()
        );
        package.write(".cargo/config.toml", &text);
        Cargo::new(&package.dir, &["build"])
            .without("CARGO_TARGET_DIR")
            .succeed();
        assert_written(&dir.path().join("out"), "by-file");
    }

    #[test]
    fn is_the_workspaces_for_a_member() {
        let dir = TempDir::new().unwrap();
        fs::write(
            dir.path().join("Cargo.toml"),
            "[workspace]\nmembers = ['crates/*']\nresolver = '3'\n",
        )
        .unwrap();
        package::lock(dir.path());
        let package = Package::member(&dir.path().join("crates/shop"), "of-member");
        package.write("src/main.rs", MAIN);
        let outcome = split(&package, &["--message-format=json"]).succeed();
        assert_written(&dir.path().join("target"), "of-member");
        let binary = outcome.bytes("of-member");
        assert_eq!(
            Embedded::find(&binary).unwrap().build.package_path,
            "crates/shop"
        );
    }

    fn split(package: &Package, args: &[&str]) -> Cargo {
        Cargo::new(&package.dir, &[&["build"], args].concat())
            .without("CARGO_TARGET_DIR")
            .env("CARGO_BUILD_BUILD_DIR", shared())
    }

    fn assert_written(target: &Path, name: &str) {
        let file = place(target, name).join(name).join(DOCKERFILE);
        assert!(file.is_file(), "{}", file.display());
        assert!(
            !place(&shared(), name).exists(),
            "not in the build directory"
        );
    }
}

/// A program alone in a directory; no files of an earlier run are there.
fn program(name: &str) -> (TempDir, Package) {
    let dir = TempDir::new().unwrap();
    let package = Package::alone(&dir.path().join(name), name);
    package.write("src/main.rs", MAIN);
    let _ = fs::remove_dir_all(place(&shared(), name));
    (dir, package)
}

fn build(package: &Package) -> Outcome {
    Cargo::new(&package.dir, &BUILD).succeed()
}

fn place(target: &Path, below: &str) -> PathBuf {
    target.join("metaparticle/artifacts").join(below)
}
