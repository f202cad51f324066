//! A graph has exactly one version feature of `k8s-openapi`: ours by default, the user's where one is chosen.

#![allow(clippy::unwrap_used, reason = "a suite panics where it fails")]

use metaparticle_compile_tests::{Cargo, Package, cargo::shared};

const OWN: &str = "k8s-openapi = { version = \"0.29\", features = [\"v1_34\"] }\n";

#[test]
fn default_is_the_earliest() {
    let package = program("k8s-default", "");
    package.edit(
        "Cargo.toml",
        "default-features = false",
        "default-features = true",
    );
    assert_eq!(versions(&package), ["earliest", "v1_33"]);
}

#[test]
fn user_chooses_with_the_deployer() {
    let package = program("k8s-own", OWN);
    assert_eq!(versions(&package), ["v1_34"]);
}

#[test]
#[ignore = "compiles the whole deployer; CI runs it"]
fn deployer_compiles_with_the_users_version() {
    let package = program("k8s-own-compiled", OWN);
    let _ = Cargo::new(&package.dir, &["check"]).succeed();
}

/// A program with the deployer, and more dependencies.
fn program(name: &str, dependencies: &str) -> Package {
    let package = Package::alone(&shared().join("packages").join(name), name);
    package.edit(
        "Cargo.toml",
        "default-features = false",
        "default-features = false, features = ['deploy']",
    );
    package.edit(
        "Cargo.toml",
        "[dependencies]\n",
        &format!("[dependencies]\n{dependencies}"),
    );
    package.write(
        "src/main.rs",
        "#[metaparticle::containerize]\nfn main() {}\n",
    );
    package
}

/// The version features of `k8s-openapi` that are on.
fn versions(package: &Package) -> Vec<String> {
    let args = [
        "tree",
        "--edges=normal",
        "--prefix=none",
        "--format={lib} {f}",
    ];
    let outcome = Cargo::new(&package.dir, &args).succeed();
    let line = outcome
        .stdout
        .lines()
        .find(|line| line.starts_with("k8s_openapi "));
    let features = line.unwrap().split_whitespace().nth(1).unwrap();
    let mut versions: Vec<String> = features
        .split(',')
        .filter(|feature| feature.starts_with("v1_") || ["earliest", "latest"].contains(feature))
        .map(str::to_owned)
        .collect();
    versions.sort();
    versions
}
