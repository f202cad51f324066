//! Dockerfile and its ignore file: the way to the image for those who have docker, podman or buildah.
//!
//! Everything that comes from the user's project is quoted: no name of a target or feature can end an instruction.

use super::{ENTRYPOINT, USER, yaml::HEADER};
use crate::{AppSpec, Build};

/// What the build does not read, or must not see. It stands in for the project's own `.dockerignore`, which may leave
/// out what this build needs.
const IGNORED: &str = "\
.git
target
**/.cargo/credentials
**/.cargo/credentials.toml
";

pub(super) fn dockerignore() -> String {
    format!("{HEADER}{IGNORED}")
}

pub(super) fn dockerfile(spec: &AppSpec, build: &Build) -> String {
    let builder = builder(&build.rustc);
    let name = &spec.name;
    let manifest = match build.package_path.replace('\\', "/") {
        root if root.is_empty() => "Cargo.toml".to_owned(),
        path => quoted(&format!("{path}/Cargo.toml")),
    };
    let args: Vec<String> = build.cargo_args().iter().map(|arg| quoted(arg)).collect();
    let args = args.join(" ");
    let folder = if build.example {
        "release/examples"
    } else {
        "release"
    };
    let bin = quoted(&build.bin);
    let runtime = runtime(spec);
    format!(
        r##"{HEADER}# To be built in the root of the workspace: docker build --file <this file> .

# The tag is the version of rustc that compiled the program when this file was written. The target of the alpine
# images is musl: what they compile is static and runs on any base.
FROM {builder} AS build
WORKDIR /src
# Tells every rustc that it compiles for a container. A wrapper, because RUSTFLAGS would replace the flags of the
# workspace's own cargo configuration.
RUN printf "#!/bin/sh\nexec \"\$@\" --cfg metaparticle_container\n" > /usr/local/bin/rustc-for-container \
    && chmod 755 /usr/local/bin/rustc-for-container
ENV RUSTC_WRAPPER=/usr/local/bin/rustc-for-container
COPY . .
# The sources are touched because cargo compares their times with those of the cache, which may be from another
# checkout. Without a lockfile the newest dependencies are taken.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/usr/local/cargo/git \
    --mount=type=cache,id=metaparticle-{name},target=/target,sharing=locked \
    find . -type f -exec touch {{}} + \
    && host="$(rustc --print host-tuple)" \
    && if [ -f Cargo.lock ]; then set -- --locked; fi \
    && cargo build "$@" --release --config 'profile.release.strip="symbols"' \
        --target "$host" --target-dir /target --manifest-path {manifest} \
        {args} \
    && cp "/target/$host/{folder}/"{bin} {ENTRYPOINT}

{runtime}"##
    )
}

/// The last stage.
fn runtime(spec: &AppSpec) -> String {
    let base = spec.base.as_ref().map_or("scratch", |base| base.as_str());
    let mut lines = vec![format!("FROM {base}")];
    if base == "scratch" {
        let certificates = "/etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/";
        lines.push(format!("COPY --from=build {certificates}"));
    }
    lines.push(format!("COPY --from=build {ENTRYPOINT} {ENTRYPOINT}"));
    for port in &spec.ports {
        lines.push(format!("EXPOSE {}/{}", port.number, port.protocol.lower()));
    }
    lines.push(format!("USER {USER}:{USER}"));
    lines.push(format!("ENTRYPOINT [\"{ENTRYPOINT}\"]\n"));
    lines.join("\n")
}

/// The image with the compiler. Releases have a tag of their own; betas and nightlies have none that stays.
fn builder(rustc: &str) -> String {
    let release =
        rustc.split('.').count() == 3 && rustc.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if release {
        format!("docker.io/library/rust:{rustc}-alpine")
    } else {
        "docker.io/rustlang/rust:nightly-alpine".to_owned()
    }
}

/// A word of the shell in a line of a Dockerfile. Control characters, which neither could carry, become `?`: cargo then
/// says that it knows no such target.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    let word: String = word
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_release_has_a_builder_of_its_own() {
        assert_eq!(builder("1.95.0"), "docker.io/library/rust:1.95.0-alpine");
        for rustc in [
            "1.97.0-nightly",
            "1.96.0-beta.3",
            "",
            "1.95.0\nRUN x",
            "1.95",
        ] {
            assert_eq!(
                builder(rustc),
                "docker.io/rustlang/rust:nightly-alpine",
                "{rustc}"
            );
        }
    }

    #[test]
    fn plain_words_are_not_quoted() {
        assert_eq!(quoted("my-crate@0.1.0"), "my-crate@0.1.0");
        assert_eq!(quoted("default,tls/ring"), "default,tls/ring");
    }

    #[test]
    #[cfg(unix)]
    fn the_shell_takes_a_quoted_word_as_it_is() {
        for word in [
            "", "a b", "it's", "$HOME", "`id`", "$(id)", "\"", "a\\", "*", "~", "#x", "ä;|&<>",
            "<<EOF", "-n",
        ] {
            let script = format!("printf %s {}", quoted(word));
            let out = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), word, "{script}");
        }
    }

    #[test]
    fn nothing_from_the_project_adds_a_line() {
        let lines = |build: &Build| dockerfile(&sample::app(), build).lines().count();
        let mut build = sample::build();
        let plain = lines(&build);
        let evil = "x\n\r\nRUN rm -rf / \\\n'\"";
        for field in [
            &mut build.package,
            &mut build.version,
            &mut build.bin,
            &mut build.rustc,
            &mut build.package_path,
        ] {
            *field = evil.to_owned();
        }
        build.features = vec![evil.to_owned()];
        assert_eq!(lines(&build), plain);
    }
}
