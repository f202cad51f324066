//! The rules of ARCHITECTURE.md and CONTRIBUTING.md that a machine can check.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The longest file allowed; past this it has more than one subject.
const MAX_LINES: usize = 500;

/// Modules of the standard library that reach out of the program.
const IMPURE: [&str; 7] = ["env", "fs", "io", "net", "process", "thread", "time"];

#[test]
fn every_source_file_says_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(
        silent.is_empty(),
        "begin these files with `//!`: {silent:#?}"
    );
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    let long: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| text.lines().count() > MAX_LINES)
        .map(|(path, _)| path)
        .collect();
    assert!(long.is_empty(), "split these files: {long:#?}");
}

#[test]
fn the_specification_and_the_map_of_shards_are_pure() {
    for package in ["metaparticle-spec", "metaparticle-shard"] {
        let manifest = root().join(package).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).expect("readable");
        for impure in ["tokio", "kube", "k8s-openapi", "futures"] {
            assert!(
                !manifest.lines().any(|line| line.starts_with(impure)),
                "{package} depends on {impure}"
            );
        }
        let sources: Vec<_> = sources()
            .into_iter()
            .filter(|(path, _)| path.starts_with(root().join(package).join("src")))
            .collect();
        assert!(!sources.is_empty(), "{package} has no sources");
        for (path, text) in sources {
            // Its unit tests may ask a shell.
            let code = text.split("mod tests {").next().unwrap_or_default();
            let impure = modules_of_std(code).find(|module| IMPURE.contains(module));
            assert_eq!(impure, None, "{} uses this of std", path.display());
            assert!(!code.contains("async fn"), "{} is async", path.display());
        }
    }
}

#[test]
fn modules_of_std_are_found_alone_and_in_groups() {
    let text = "use std::{collections::{BTreeMap, env}, fmt, fs as files};\nstd::time::now();";
    let found: Vec<_> = modules_of_std(text).collect();
    assert_eq!(
        found.join(" "),
        "collections BTreeMap env fmt fs as files time"
    );
}

#[test]
fn no_documentation_example_is_left_unchecked() {
    let unchecked: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| text.contains(concat!("```", "ignore")))
        .map(|(path, _)| path)
        .collect();
    assert!(
        unchecked.is_empty(),
        "use `no_run` instead of `ignore`: {unchecked:#?}"
    );
}

#[test]
fn an_example_is_read_in_a_minute() {
    for entry in fs::read_dir(root().join("examples"))
        .expect("readable")
        .flatten()
    {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = fs::read_to_string(&path).expect("readable").lines().count();
            assert!(lines <= 80, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn architecture_names_every_crate_and_fits_on_a_page() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("readable");
    assert!(text.lines().count() <= 150);
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("readable");
    let members = manifest
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .expect("members")
        .0;
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.len() >= 8, "{members:?}");
    for member in members {
        assert!(
            text.contains(&format!("`{member}/")),
            "ARCHITECTURE.md does not name {member}"
        );
    }
}

/// What follows each `std::`: one word, or all words of a group.
fn modules_of_std(text: &str) -> impl Iterator<Item = &str> {
    text.split("std::").skip(1).flat_map(|path| {
        let is_group = path.starts_with('{');
        let end = if is_group { ";" } else { "::" };
        let path = path.split_once(end).map_or(path, |(path, _)| path);
        path.split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is below the workspace")
}

/// All our sources; compile-fail cases are one mistake a file and speak for themselves.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir()
                && !["target", ".git", "ui", "golden", "node_modules"]
                    .iter()
                    .any(|skip| name == *skip)
            {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("readable");
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 20, "the walk found {} files", found.len());
    found
}
