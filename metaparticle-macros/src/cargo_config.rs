//! [`Settings`]: where cargo was told to put things, by command line, environment and configuration files.
//!
//! Precedence and meaning of relative paths: <https://doc.rust-lang.org/cargo/reference/config.html>.
//! Configuration that is pulled in by `include` is not seen.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The directories that were chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where finished programs are put; default: `target` in the workspace's root.
    pub target_dir: Option<PathBuf>,
    /// Where everything else is put, a template; default: the target directory.
    pub build_dir: Option<PathBuf>,
}

/// The running cargo, as far as it can be seen.
struct Cargo {
    args: Vec<String>,
    cwd: PathBuf,
}

impl Settings {
    /// Those of the cargo that runs this rustc.
    pub fn of_this_process() -> Self {
        let cargo = Cargo::above().unwrap_or_else(|| Cargo {
            args: Vec::new(),
            cwd: env::current_dir().unwrap_or_default(),
        });
        let home = env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| env::home_dir().map(|home| home.join(".cargo")));
        let env = |name: &str| env::var_os(name).map(PathBuf::from);
        Self::read(&cargo, home.as_deref(), env)
    }

    fn read(cargo: &Cargo, home: Option<&Path>, env: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let here = |path: PathBuf| cargo.cwd.join(path);
        let named = Self {
            target_dir: cargo
                .option("--target-dir")
                .last()
                .map(PathBuf::from)
                .or_else(|| env("CARGO_TARGET_DIR"))
                .map(here),
            build_dir: None,
        };
        // The last `--config` wins.
        let given = cargo
            .option("--config")
            .fold(Self::default(), |earlier, text| {
                Self::given(&text, &cargo.cwd).or(earlier)
            });
        let environment = Self {
            target_dir: env("CARGO_BUILD_TARGET_DIR").map(here),
            build_dir: env("CARGO_BUILD_BUILD_DIR").map(here),
        };
        let nearest_first = cargo
            .cwd
            .ancestors()
            .map(|dir| dir.join(".cargo"))
            .chain(home.map(Path::to_owned));
        nearest_first.fold(named.or(given).or(environment), |nearer, dir| {
            nearer.or(Self::in_directory(&dir))
        })
    }

    /// `--config build.target-dir="…"`, or `--config file`.
    fn given(text: &str, cwd: &Path) -> Self {
        let file = cwd.join(text);
        match fs::read_to_string(&file) {
            Ok(content) => Self::parse(&content, file.parent().unwrap_or(cwd)),
            Err(_) => Self::parse(text, cwd),
        }
    }

    /// The configuration in a `.cargo` directory; its paths are relative to the directory that holds it.
    fn in_directory(dir: &Path) -> Self {
        ["config.toml", "config"]
            .iter()
            .find_map(|name| fs::read_to_string(dir.join(name)).ok())
            .map(|content| Self::parse(&content, dir.parent().unwrap_or(dir)))
            .unwrap_or_default()
    }

    fn parse(content: &str, base: &Path) -> Self {
        let Ok(table) = DeTable::parse(content) else {
            return Self::default();
        };
        let build = table.get_ref().get("build").map(Spanned::get_ref);
        let path = |key: &str| {
            let text = build.and_then(|build| build.get(key)).map(Spanned::get_ref);
            text.and_then(DeValue::as_str).map(|path| base.join(path))
        };
        Self {
            target_dir: path("target-dir"),
            build_dir: path("build-dir"),
        }
    }

    fn or(self, weaker: Self) -> Self {
        Self {
            target_dir: self.target_dir.or(weaker.target_dir),
            build_dir: self.build_dir.or(weaker.build_dir),
        }
    }
}

impl Cargo {
    /// The nearest cargo among the ancestors of this process: its command line is nowhere else to be seen.
    #[cfg(target_os = "linux")]
    fn above() -> Option<Self> {
        let cargo = PathBuf::from(env::var_os("CARGO")?);
        let mut pid = std::os::unix::process::parent_id();
        while pid > 1 {
            let process = PathBuf::from(format!("/proc/{pid}"));
            let exe = fs::read_link(process.join("exe")).ok()?;
            if exe.file_stem() == cargo.file_stem() {
                let line = fs::read(process.join("cmdline")).ok()?;
                let args = line.split(|byte| *byte == 0);
                return Some(Self {
                    args: args
                        .map(|arg| String::from_utf8_lossy(arg).into())
                        .collect(),
                    cwd: fs::read_link(process.join("cwd")).ok()?,
                });
            }
            // `pid (name) state ppid …`, and the name may hold anything.
            let stat = fs::read_to_string(process.join("stat")).ok()?;
            let (_, rest) = stat.rsplit_once(')')?;
            pid = rest.split_whitespace().nth(1)?.parse().ok()?;
        }
        None
    }

    #[cfg(not(target_os = "linux"))]
    fn above() -> Option<Self> {
        None
    }

    /// The values of `--option value` and `--option=value`. What follows `--` is for the program.
    fn option<'a>(&'a self, option: &'a str) -> impl Iterator<Item = String> + 'a {
        let mut args = self.args.iter().take_while(|arg| *arg != "--");
        std::iter::from_fn(move || {
            loop {
                let arg = args.next()?;
                if arg == option {
                    return args.next().cloned();
                }
                if let Some(value) = arg.strip_prefix(option).and_then(|v| v.strip_prefix('=')) {
                    return Some(value.to_owned());
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cargo(args: &[&str], cwd: &Path) -> Cargo {
        Cargo {
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            cwd: cwd.to_owned(),
        }
    }

    fn target(args: &[&str], env: &[(&str, &str)], cwd: &Path) -> Option<PathBuf> {
        let env = |name: &str| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| PathBuf::from(value))
        };
        Settings::read(&cargo(args, cwd), None, env).target_dir
    }

    #[test]
    fn each_source_is_stronger_than_the_next() {
        let root = tempfile::tempdir().unwrap();
        let cwd = root.path().join("member");
        for (dir, name) in [(root.path(), "outer"), (&cwd, "inner")] {
            fs::create_dir_all(dir.join(".cargo")).unwrap();
            let text = format!("[build]\ntarget-dir = '{name}'");
            fs::write(dir.join(".cargo/config.toml"), text).unwrap();
        }
        let env = [
            ("CARGO_BUILD_TARGET_DIR", "variable"),
            ("CARGO_TARGET_DIR", "short"),
        ];
        let args = [
            "cargo",
            "build",
            "--config",
            "build.target-dir='given'",
            "--target-dir=named",
        ];
        assert_eq!(target(&args, &env, &cwd), Some(cwd.join("named")));
        assert_eq!(target(&args[..4], &env, &cwd), Some(cwd.join("short")));
        assert_eq!(target(&args[..4], &env[..1], &cwd), Some(cwd.join("given")));
        assert_eq!(target(&[], &env[..1], &cwd), Some(cwd.join("variable")));
        assert_eq!(target(&[], &[], &cwd), Some(cwd.join("inner")));
        fs::remove_dir_all(cwd.join(".cargo")).unwrap();
        assert_eq!(target(&[], &[], &cwd), Some(root.path().join("outer")));
    }

    #[test]
    fn arguments_of_the_program_are_not_cargos() {
        let args = ["cargo", "run", "--", "--target-dir", "elsewhere"];
        assert_eq!(target(&args, &[], Path::new("/nowhere")), None);
    }

    #[test]
    fn build_dir_is_read_in_every_spelling() {
        for text in [
            "build.build-dir = \"b\"",
            "[build]\nbuild-dir = 'b'",
            "build = { build-dir = \"b\" }",
        ] {
            let settings = Settings::parse(text, Path::new("/w"));
            assert_eq!(
                settings.build_dir.as_deref(),
                Some(Path::new("/w/b")),
                "{text}"
            );
        }
    }

    #[test]
    fn config_file_on_the_command_line_is_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ci.toml"), "build.target-dir = 'ci'").unwrap();
        let args = ["cargo", "build", "--config=ci.toml"];
        assert_eq!(target(&args, &[], dir.path()), Some(dir.path().join("ci")));
    }

    #[test]
    fn damaged_configuration_is_passed_over() {
        assert_eq!(
            Settings::parse("[build", Path::new("/w")),
            Settings::default()
        );
    }
}
