//! What cargo says about the program: from its environment variables and from rustc's arguments.

use std::{
    env,
    path::{Path, PathBuf},
};

use metaparticle_spec::Build;

use crate::invocation::Invocation;

/// The facts of this expansion.
pub fn of_this_process(invocation: &Invocation) -> Build {
    // Cargo runs rustc in the workspace's root for every member of it.
    let root = env::current_dir().unwrap_or_default();
    build(invocation, |name| env::var(name).ok(), &root)
}

fn build(invocation: &Invocation, env: impl Fn(&str) -> Option<String>, root: &Path) -> Build {
    let package = env("CARGO_PKG_NAME").unwrap_or_default();
    let manifest_dir = PathBuf::from(env("CARGO_MANIFEST_DIR").unwrap_or_default());
    // Without cargo's name for the binary this is rust-analyzer, a documentation test, or rustc alone.
    let bin = env("CARGO_BIN_NAME")
        .or_else(|| Some(package.clone()).filter(|name| !name.is_empty()))
        .or_else(|| invocation.crate_name.clone())
        .unwrap_or_else(|| "app".to_owned());
    Build {
        bin,
        example: invocation
            .out_dir
            .as_ref()
            .is_some_and(|dir| dir.ends_with("examples")),
        version: env("CARGO_PKG_VERSION").unwrap_or_else(|| "0.0.0".to_owned()),
        features: invocation.features.clone(),
        rustc: env!("METAPARTICLE_RUSTC").to_owned(),
        package_path: below(&manifest_dir, root),
        manifest_dir: manifest_dir.to_string_lossy().into_owned(),
        package,
    }
}

/// The path of `dir` below `root`, with `/` on every system; empty if it is not below it.
fn below(dir: &Path, root: &Path) -> String {
    let parts = dir.strip_prefix(root).unwrap_or(Path::new(""));
    let parts: Vec<_> = parts.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        let value = match name {
            "CARGO_PKG_NAME" => "shop",
            "CARGO_PKG_VERSION" => "1.2.3",
            "CARGO_BIN_NAME" => "web",
            "CARGO_MANIFEST_DIR" => "/w/crates/shop",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn cargo_names_package_binary_and_place() {
        let facts = build(&Invocation::default(), env, Path::new("/w"));
        assert_eq!(
            (
                facts.package.as_str(),
                facts.bin.as_str(),
                facts.version.as_str()
            ),
            ("shop", "web", "1.2.3")
        );
        assert_eq!(facts.manifest_dir, "/w/crates/shop");
        assert_eq!(facts.package_path, "crates/shop");
        assert!(!facts.example);
    }

    #[test]
    fn package_in_the_root_has_an_empty_path() {
        let facts = build(&Invocation::default(), env, Path::new("/w/crates/shop"));
        assert_eq!(facts.package_path, "");
    }

    #[test]
    fn example_is_told_by_its_directory() {
        let invocation = Invocation {
            out_dir: Some("/t/debug/examples".into()),
            ..Invocation::default()
        };
        assert!(build(&invocation, env, Path::new("/w")).example);
    }

    #[test]
    fn without_cargo_the_crate_names_the_program() {
        let invocation = Invocation {
            crate_name: Some("lone".to_owned()),
            ..Invocation::default()
        };
        assert_eq!(build(&invocation, |_| None, Path::new("/w")).bin, "lone");
    }

    #[test]
    fn compiler_names_its_version() {
        let facts = build(&Invocation::default(), env, Path::new("/w"));
        assert!(facts.rustc.starts_with("1."), "{}", facts.rustc);
    }
}
