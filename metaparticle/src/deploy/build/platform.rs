//! [`Platform`]: the target triple of the inner build, and the C compiler and linker that it takes.
//!
//! musl where its standard library is installed; else glibc, linked statically. Neither needs a base image.

use std::{env::consts, ffi::OsString, path::Path};

use super::{Arch, BuildError, config::Config, environment::Environment, flags::shouted};

/// What the inner build compiles for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Platform {
    arch: Arch,
    pub(super) triple: &'static str,
    musl: bool,
}

impl Platform {
    /// Chooses by what is installed below the compiler's `sysroot`.
    pub(super) fn choose(arch: Arch, sysroot: &Path) -> Result<Self, BuildError> {
        let [musl, gnu] = triples(arch);
        let installed = |triple: &str| {
            sysroot
                .join("lib/rustlib")
                .join(triple)
                .join("lib")
                .is_dir()
        };
        let (triple, is_musl) = if installed(musl) {
            (musl, true)
        } else if installed(gnu) {
            (gnu, false)
        } else {
            return Err(BuildError::NoPlatform { arch, triple: musl });
        };
        Ok(Self {
            arch,
            triple,
            musl: is_musl,
        })
    }

    /// What would make the program smaller, in one line.
    pub(super) fn offer(&self) -> Option<String> {
        let [musl, _] = triples(self.arch);
        (!self.musl).then(|| {
            format!("linked with glibc; `rustup target add {musl}` makes the image about a megabyte smaller")
        })
    }

    /// Flags that make the program need no library.
    pub(super) fn flags(&self) -> impl Iterator<Item = &'static str> {
        let flags: &[&str] = if self.musl {
            &[]
        } else {
            &["-C", "target-feature=+crt-static"]
        };
        flags.iter().copied()
    }

    /// Variables that name a C compiler and a linker where the user named none and the default would not be found.
    pub(super) fn tools(
        &self,
        environment: &Environment,
        config: &Config,
    ) -> Vec<(String, OsString)> {
        let mut tools = Vec::new();
        let native = consts::OS == "linux" && consts::ARCH == self.architecture();
        let underscored = self.triple.replace('-', "_");
        let named = [
            format!("CC_{}", self.triple),
            format!("CC_{underscored}"),
            "TARGET_CC".to_owned(),
            "CROSS_COMPILE".to_owned(),
        ];
        let compiler_named = named.iter().any(|name| environment.var(name).is_some());
        let architecture = self.architecture();
        let defaults = [
            format!("{architecture}-linux-musl-gcc"),
            "musl-gcc".to_owned(),
        ];
        let glibc_compiler = format!("{architecture}-linux-gnu-gcc");
        if !compiler_named
            && self.musl
            && !defaults.iter().any(|name| environment.has_program(name))
        {
            // What C code compiles to without calls into libc is the same for both libcs; with such calls it links
            // against musl all the same, unless it is fortified.
            let stand_in = if environment.has_program(&glibc_compiler) {
                Some(glibc_compiler.as_str())
            } else {
                native.then_some("cc")
            };
            if let Some(compiler) = stand_in {
                tools.push((format!("CC_{underscored}"), compiler.into()));
            }
        }
        let linker = format!("CARGO_TARGET_{}_LINKER", shouted(self.triple));
        let linker_named = environment.var(&linker).is_some()
            || config.targets().iter().any(|key| {
                (*key == self.triple || key.starts_with("cfg("))
                    && config.get(&["target", key, "linker"]).is_some()
            });
        // rustc comes with a linker for every platform, and with the start files of musl.
        if !linker_named && self.musl && !native {
            tools.push((linker, "rust-lld".into()));
        }
        tools
    }

    fn architecture(&self) -> &'static str {
        match self.arch {
            Arch::Amd64 => "x86_64",
            Arch::Arm64 => "aarch64",
        }
    }
}

/// The triples with musl and with glibc.
fn triples(arch: Arch) -> [&'static str; 2] {
    match arch {
        Arch::Amd64 => ["x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"],
        Arch::Arm64 => ["aarch64-unknown-linux-musl", "aarch64-unknown-linux-gnu"],
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sysroot(installed: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for triple in installed {
            fs::create_dir_all(dir.path().join("lib/rustlib").join(triple).join("lib")).unwrap();
        }
        dir
    }

    fn chosen(arch: Arch, installed: &[&str]) -> Result<Platform, BuildError> {
        Platform::choose(arch, sysroot(installed).path())
    }

    const MUSL: &str = "x86_64-unknown-linux-musl";
    const GNU: &str = "x86_64-unknown-linux-gnu";

    #[test]
    fn musl_is_used_where_it_is_installed() {
        let platform = chosen(Arch::Amd64, &[GNU, MUSL]).unwrap();
        assert_eq!((platform.triple, platform.offer()), (MUSL, None));
        assert_eq!(platform.flags().count(), 0);
    }

    #[test]
    fn glibc_is_linked_statically_and_musl_offered() {
        let platform = chosen(Arch::Amd64, &[GNU]).unwrap();
        assert_eq!(platform.triple, GNU);
        assert!(platform.offer().unwrap().contains(MUSL));
        assert_eq!(
            platform.flags().collect::<Vec<_>>(),
            ["-C", "target-feature=+crt-static"]
        );
    }

    #[test]
    fn missing_platform_is_an_error_with_the_command_that_installs_it() {
        let error = chosen(Arch::Arm64, &[GNU, MUSL]).unwrap_err();
        assert_eq!(
            error.help().unwrap(),
            "rustup target add aarch64-unknown-linux-musl"
        );
    }

    #[test]
    fn compiler_and_linker_of_the_user_stay() {
        let platform = chosen(Arch::Arm64, &["aarch64-unknown-linux-musl"]).unwrap();
        let config = Config::of("target.aarch64-unknown-linux-musl.linker = 'ld'");
        let environment = Environment::of(&[("CC_aarch64_unknown_linux_musl", "clang")]);
        assert_eq!(platform.tools(&environment, &config), []);
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn tools_are_named_only_where_the_default_would_be_missing() {
        let none = Environment::of(&[]);
        let native = chosen(Arch::Amd64, &[MUSL]).unwrap();
        let config = Config::default();
        assert_eq!(
            native.tools(&none, &config),
            [("CC_x86_64_unknown_linux_musl".to_owned(), "cc".into())]
        );
        let cross = chosen(Arch::Arm64, &["aarch64-unknown-linux-musl"]).unwrap();
        let linker = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER".to_owned();
        assert_eq!(cross.tools(&none, &config), [(linker, "rust-lld".into())]);
    }
}
