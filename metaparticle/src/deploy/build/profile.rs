//! What the two profiles say to cargo. What the user's own profile says explicitly stays as it is.

use std::fs;

use toml::{Table, Value};

use super::{BuildError, Profile, cargo::Layout, config::Config, environment::Environment};

/// Settings of the fast profile. Nobody debugs in the container: without debug information linking takes half the time.
const FAST: &[(&str, &str)] = &[("debug", "0"), ("strip", "\"symbols\"")];

/// Settings of the small profile. `panic` is not among them: `abort` would make one panicking request end all others
/// of its pod, which `cargo run` does not show; who wants it says so in `[profile.release]`.
const SMALL: &[(&str, &str)] = &[
    ("opt-level", "\"s\""),
    ("lto", "\"fat\""),
    ("codegen-units", "1"),
    ("debug", "0"),
    ("strip", "\"symbols\""),
];

/// Cargo's arguments for `profile`.
pub(super) fn arguments(
    profile: Profile,
    layout: &Layout,
    config: &Config,
    environment: &Environment,
) -> Result<Vec<String>, BuildError> {
    let path = layout.workspace_root.join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(|source| BuildError::Read {
        path: path.clone(),
        source,
    })?;
    let manifest = text.parse().map_err(|source| BuildError::Config {
        path,
        source: Box::new(source),
    })?;
    Ok(choose(profile, &manifest, config, environment))
}

fn choose(
    profile: Profile,
    manifest: &Table,
    config: &Config,
    environment: &Environment,
) -> Vec<String> {
    let (name, settings) = match profile {
        Profile::Fast => ("dev", FAST),
        Profile::Small => ("release", SMALL),
    };
    let said = |key: &str| {
        let in_manifest = manifest
            .get("profile")
            .and_then(|profiles| profiles.get(name))
            .and_then(|profile: &Value| profile.get(key));
        let variable = format!("CARGO_PROFILE_{name}_{key}")
            .replace('-', "_")
            .to_uppercase();
        in_manifest.is_some()
            || config.get(&["profile", name, key]).is_some()
            || environment.var(&variable).is_some()
    };
    let mut arguments = vec!["--profile".to_owned(), name.to_owned()];
    for (key, value) in settings {
        if !said(key) {
            arguments.push("--config".to_owned());
            arguments.push(format!("profile.{name}.{key}={value}"));
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(
        profile: Profile,
        manifest: &str,
        config: &str,
        variables: &[(&str, &str)],
    ) -> String {
        choose(
            profile,
            &manifest.parse().unwrap(),
            &Config::of(config),
            &Environment::of(variables),
        )
        .join(" ")
    }

    #[test]
    fn fast_profile_is_dev_without_debug_information() {
        assert_eq!(
            chosen(Profile::Fast, "", "", &[]),
            "--profile dev --config profile.dev.debug=0 --config profile.dev.strip=\"symbols\""
        );
    }

    #[test]
    fn small_profile_keeps_unwinding() {
        let arguments = chosen(Profile::Small, "", "", &[]);
        assert!(arguments.starts_with("--profile release "), "{arguments}");
        assert!(
            arguments.contains("profile.release.lto=\"fat\""),
            "{arguments}"
        );
        assert!(!arguments.contains("panic"), "{arguments}");
    }

    #[test]
    fn settings_of_the_user_stay_wherever_they_are_said() {
        let arguments = chosen(
            Profile::Small,
            "profile.release.lto = 'thin'",
            "profile.release.strip = false",
            &[("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")],
        );
        assert_eq!(
            arguments,
            "--profile release --config profile.release.codegen-units=1 --config profile.release.debug=0"
        );
    }
}
