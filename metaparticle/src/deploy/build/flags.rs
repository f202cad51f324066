//! The flags for rustc: those of the user, by cargo's rules, and those of the container.
//!
//! Cargo takes flags from the first of four places and ignores the others: `CARGO_ENCODED_RUSTFLAGS`, `RUSTFLAGS`,
//! `target.….rustflags`, `build.rustflags`. A flag of ours in one of them would so drop the user's in another. So the
//! user's are found by the same rules, ours are appended, and all go through the first place.

use std::{fmt, path::Path};

use cargo_platform::{Cfg, CfgExpr};

use super::{
    BuildError,
    cargo::{Cargo, Layout},
    config::{Config, split},
    environment::Environment,
    platform::Platform,
};

/// Flags of the user, and where they are from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UserFlags {
    flags: Vec<String>,
    origin: Origin,
}

/// All flags of the inner build.
#[derive(Clone, Debug)]
pub(super) struct Flags {
    flags: Vec<String>,
    pub(super) origin: Origin,
}

/// Where the flags of the user are from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// There are none.
    #[default]
    None,
    /// An environment variable.
    Variable(&'static str),
    /// These keys of cargo's configuration.
    Config(Vec<String>),
}

/// Joins flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\x1f";

/// The user's flags for the platform.
pub(super) async fn of_user(
    environment: &Environment,
    config: &Config,
    cargo: &Cargo,
    platform: &Platform,
) -> Result<UserFlags, BuildError> {
    if let Some(flags) = of_variables(environment) {
        return Ok(flags);
    }
    let conditional = config
        .targets()
        .iter()
        .any(|key| key.starts_with("cfg(") && config.list(&["target", key, "rustflags"]).is_some());
    let cfgs = if conditional {
        cargo.cfgs(platform.triple).await?
    } else {
        Vec::new()
    };
    Ok(of_config(environment, config, platform.triple, &cfgs))
}

fn of_variables(environment: &Environment) -> Option<UserFlags> {
    if let Some(encoded) = environment.text("CARGO_ENCODED_RUSTFLAGS") {
        return Some(UserFlags {
            flags: encoded
                .split(SEPARATOR)
                .filter(|flag| !flag.is_empty())
                .map(str::to_owned)
                .collect(),
            origin: Origin::Variable("CARGO_ENCODED_RUSTFLAGS"),
        });
    }
    let flags = split(environment.text("RUSTFLAGS")?);
    Some(UserFlags {
        flags,
        origin: Origin::Variable("RUSTFLAGS"),
    })
}

fn of_config(environment: &Environment, config: &Config, triple: &str, cfgs: &[Cfg]) -> UserFlags {
    let mut flags = Vec::new();
    let mut keys = Vec::new();
    let mut take = |key: String, found: Option<Vec<String>>| {
        if let Some(found) = found {
            flags.extend(found);
            keys.push(key);
        }
    };
    let variable = format!("CARGO_TARGET_{}_RUSTFLAGS", shouted(triple));
    take(
        format!("target.{triple}.rustflags"),
        config.list(&["target", triple, "rustflags"]),
    );
    let of_variable = environment.text(&variable).map(split);
    take(variable, of_variable);
    for key in config.targets() {
        let matches = key
            .strip_prefix("cfg(")
            .and_then(|rest| rest.strip_suffix(')'))
            .and_then(|expression| expression.parse::<CfgExpr>().ok())
            .is_some_and(|expression| expression.matches(cfgs));
        if matches {
            take(
                format!("target.'{key}'.rustflags"),
                config.list(&["target", key, "rustflags"]),
            );
        }
    }
    if keys.is_empty() {
        let mut take = |key: &str, found: Option<Vec<String>>| {
            if let Some(found) = found {
                flags.extend(found);
                keys.push(key.to_owned());
            }
        };
        take("build.rustflags", config.list(&["build", "rustflags"]));
        let of_variable = environment.text("CARGO_BUILD_RUSTFLAGS").map(split);
        take("CARGO_BUILD_RUSTFLAGS", of_variable);
    }
    let origin = if keys.is_empty() {
        Origin::None
    } else {
        Origin::Config(keys)
    };
    UserFlags { flags, origin }
}

/// A triple as it stands in names of variables.
pub(super) fn shouted(triple: &str) -> String {
    triple.replace(['-', '.'], "_").to_uppercase()
}

impl Flags {
    /// The user's flags and ours.
    pub(super) fn for_container(
        user: UserFlags,
        platform: &Platform,
        layout: &Layout,
        environment: &Environment,
        sysroot: &Path,
    ) -> Self {
        let mut flags = user.flags;
        flags.extend(["--cfg".to_owned(), "metaparticle_container".to_owned()]);
        flags.extend(platform.flags().map(str::to_owned));
        // The last one that fits a path is used, so what may be inside of another comes later.
        let repository = repository(&layout.workspace_root);
        let cargo_home = environment.cargo_home();
        for (from, to) in [
            (repository, "/repository"),
            (Some(sysroot), "/rust"),
            (cargo_home.as_deref(), "/cargo"),
            (Some(layout.workspace_root.as_path()), "/workspace"),
            (Some(layout.inner_build_directory()), "/build"),
        ] {
            if let Some(from) = from {
                flags.push(format!("--remap-path-prefix={}={to}", from.display()));
            }
        }
        Self {
            flags,
            origin: user.origin,
        }
    }

    /// As `CARGO_ENCODED_RUSTFLAGS` holds them.
    pub(super) fn encoded(&self) -> String {
        self.flags.join(SEPARATOR)
    }
}

/// The version-controlled directory around a workspace: path dependencies outside of the workspace are likely in it.
fn repository(workspace: &Path) -> Option<&Path> {
    workspace
        .ancestors()
        .skip(1)
        .find(|dir| dir.join(".git").exists())
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("in CARGO_ENCODED_RUSTFLAGS"),
            Self::Variable(name) => write!(f, "together with the flags of {name}"),
            Self::Config(keys) => {
                write!(f, "together with the flags of `{}`", keys.join("` and `"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIPLE: &str = "x86_64-unknown-linux-musl";

    fn cfgs() -> Vec<Cfg> {
        ["unix", "target_os=\"linux\"", "target_env=\"musl\""]
            .iter()
            .map(|cfg| cfg.parse().unwrap())
            .collect()
    }

    fn found(variables: &[(&str, &str)], config: &str) -> Vec<String> {
        let environment = Environment::of(variables);
        let config = Config::of(config);
        of_variables(&environment)
            .unwrap_or_else(|| of_config(&environment, &config, TRIPLE, &cfgs()))
            .flags
    }

    const EVERYWHERE: &str = "
        [build]
        rustflags = ['build']
        [target.x86_64-unknown-linux-musl]
        rustflags = 'triple one'
        [target.x86_64-unknown-linux-gnu]
        rustflags = ['gnu']
        [target.'cfg(unix)']
        rustflags = ['unix']
        [target.'cfg(all(target_os = \"linux\", target_env = \"gnu\"))']
        rustflags = ['linux-gnu']
    ";

    #[test]
    fn first_place_with_flags_is_the_only_one() {
        let encoded = ("CARGO_ENCODED_RUSTFLAGS", "a b\x1fc");
        let plain = ("RUSTFLAGS", "d  e");
        assert_eq!(found(&[encoded, plain], EVERYWHERE), ["a b", "c"]);
        assert_eq!(found(&[plain], EVERYWHERE), ["d", "e"]);
        assert_eq!(found(&[], EVERYWHERE), ["triple", "one", "unix"]);
        assert_eq!(
            found(
                &[],
                "build.rustflags = ['build']\ntarget.'cfg(windows)'.rustflags = ['w']"
            ),
            ["build"]
        );
        assert!(found(&[], "").is_empty());
    }

    #[test]
    fn empty_variable_counts_as_set() {
        assert!(found(&[("RUSTFLAGS", "")], EVERYWHERE).is_empty());
    }

    #[test]
    fn variables_of_configuration_keys_follow_the_files() {
        assert_eq!(
            found(
                &[("CARGO_BUILD_RUSTFLAGS", "x")],
                "build.rustflags = ['build']"
            ),
            ["build", "x"]
        );
        assert_eq!(
            found(
                &[("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS", "x y")],
                "build.rustflags = ['build']"
            ),
            ["x", "y"]
        );
    }
}
