//! [`Invocation`]: what cargo told the rustc that expands the macro, read from rustc's own arguments.

use std::{env, fs, path::PathBuf};

/// The arguments of rustc that matter here. In rust-analyzer there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Where rustc writes (`--out-dir`).
    pub out_dir: Option<PathBuf>,
    /// The platform, if one is named (`--target`): a triple, or the path of a JSON file.
    pub platform: Option<PathBuf>,
    /// Name of the crate, with underscores (`--crate-name`).
    pub crate_name: Option<String>,
    /// Whether an executable is linked (`--emit=…,link`), as against `cargo check`.
    pub links: bool,
    /// Whether unit tests are compiled (`--test`).
    pub is_test: bool,
    /// Whether this is the inner build for the container (`--cfg metaparticle_container`).
    pub is_container: bool,
    /// Enabled cargo features (`--cfg feature="…"`), sorted.
    pub features: Vec<String>,
}

impl Invocation {
    /// That of this process. Cargo passes the arguments in a file (`@file`) where the command line would be too long.
    pub fn of_this_process() -> Self {
        let args = env::args_os().map(|arg| arg.to_string_lossy().into_owned());
        let (files, mut args): (Vec<_>, Vec<_>) = args.partition(|arg| arg.starts_with('@'));
        for file in files {
            let text = fs::read_to_string(&file[1..]).unwrap_or_default();
            args.extend(text.lines().map(str::to_owned));
        }
        Self::parse(args)
    }

    fn parse(args: impl IntoIterator<Item = String>) -> Self {
        let mut invocation = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            if arg == "--test" {
                invocation.is_test = true;
                continue;
            }
            let (option, value) = match arg.split_once('=') {
                Some((option, value)) if option.starts_with("--") => (option, value.to_owned()),
                _ if ["--out-dir", "--target", "--crate-name", "--emit", "--cfg"]
                    .contains(&&*arg) =>
                {
                    (&*arg, args.next().unwrap_or_default())
                }
                _ => continue,
            };
            invocation.set(option, value);
        }
        invocation.features.sort();
        invocation
    }

    fn set(&mut self, option: &str, value: String) {
        match option {
            "--out-dir" => self.out_dir = Some(value.into()),
            "--target" => self.platform = Some(value.into()),
            "--crate-name" => self.crate_name = Some(value),
            "--emit" => self.links |= value.split(',').any(|kind| kind == "link"),
            "--cfg" if value == "metaparticle_container" => self.is_container = true,
            "--cfg" => {
                let feature = value
                    .strip_prefix("feature=\"")
                    .and_then(|rest| rest.strip_suffix('"'));
                self.features.extend(feature.map(str::to_owned));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Invocation {
        Invocation::parse(args.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn cargo_build_links_into_its_out_dir() {
        let invocation = parse(
            "rustc --crate-name web --edition=2024 src/main.rs --crate-type bin --emit=dep-info,link \
             --cfg feature=\"tls\" --cfg feature=\"default\" --out-dir /t/debug/deps \
             --target x86_64-unknown-linux-musl",
        );
        let expected = Invocation {
            out_dir: Some("/t/debug/deps".into()),
            platform: Some("x86_64-unknown-linux-musl".into()),
            crate_name: Some("web".to_owned()),
            links: true,
            features: vec!["default".to_owned(), "tls".to_owned()],
            ..Invocation::default()
        };
        assert_eq!(invocation, expected);
    }

    #[test]
    fn cargo_check_does_not_link() {
        assert!(!parse("rustc --crate-name web --emit=dep-info,metadata").links);
    }

    #[test]
    fn unit_tests_are_told_apart() {
        assert!(parse("rustc --emit=dep-info,link --test --out-dir /t").is_test);
    }

    #[test]
    fn container_build_is_told_apart_in_both_spellings() {
        assert!(parse("rustc --cfg metaparticle_container").is_container);
        assert!(parse("rustc --cfg=metaparticle_container").is_container);
        assert!(!parse("rustc --cfg metaparticle").is_container);
    }

    #[test]
    fn rust_analyzer_gives_no_arguments() {
        assert_eq!(parse("rust-analyzer-proc-macro-srv"), Invocation::default());
    }
}
