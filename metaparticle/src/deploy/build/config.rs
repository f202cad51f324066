//! [`Config`]: cargo's configuration as the inner build sees it, by the rules of
//! <https://doc.rust-lang.org/cargo/reference/config.html>. `cargo config get` would tell, but is unstable.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::BuildError;

/// Cargo's configuration: all files merged, the nearest on top. Environment variables are not in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Config(Table);

impl Config {
    /// Reads the files that count for a cargo that runs in `directory`.
    pub(super) fn load(directory: &Path, cargo_home: Option<&Path>) -> Result<Self, BuildError> {
        let mut files: Vec<PathBuf> = directory
            .ancestors()
            .filter_map(|dir| file_in(&dir.join(".cargo")))
            .collect();
        if let Some(file) = cargo_home.and_then(file_in)
            && !files.contains(&file)
        {
            files.push(file);
        }
        let mut config = Table::new();
        for file in files.iter().rev() {
            merge(&mut config, load(file, &mut Vec::new())?);
        }
        Ok(Self(config))
    }

    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        Self(text.parse().unwrap())
    }

    /// The value at a path of keys.
    pub(super) fn get(&self, keys: &[&str]) -> Option<&Value> {
        let (first, rest) = keys.split_first()?;
        rest.iter()
            .try_fold(self.0.get(*first)?, |value, key| value.get(key))
    }

    /// A list that may be written as one string, with spaces between its items.
    pub(super) fn list(&self, keys: &[&str]) -> Option<Vec<String>> {
        match self.get(keys)? {
            Value::String(text) => Some(split(text)),
            Value::Array(items) => Some(
                items
                    .iter()
                    .filter_map(|item| item.as_str().map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        }
    }

    /// The keys of the table `[target]`, sorted: triples and `cfg(…)` expressions.
    pub(super) fn targets(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = self
            .get(&["target"])
            .and_then(Value::as_table)
            .map(|table| table.keys().map(String::as_str).collect())
            .unwrap_or_default();
        keys.sort_unstable();
        keys
    }
}

/// Items of a list in one string.
pub(super) fn split(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The configuration in a directory; the name without suffix is older and wins, as it does for cargo.
fn file_in(directory: &Path) -> Option<PathBuf> {
    ["config", "config.toml"]
        .into_iter()
        .map(|name| directory.join(name))
        .find(|path| path.is_file())
}

/// Reads a file and what it includes; `including` is the way to it.
fn load(file: &Path, including: &mut Vec<PathBuf>) -> Result<Table, BuildError> {
    let path = || file.to_owned();
    if including.iter().any(|outer| outer == file) {
        return Err(BuildError::Cycle { path: path() });
    }
    let text = fs::read_to_string(file).map_err(|source| BuildError::Read {
        path: path(),
        source,
    })?;
    let mut own: Table = text.parse().map_err(|source| BuildError::Config {
        path: path(),
        source: Box::new(source),
    })?;
    let includes = own.remove("include").map(includes).unwrap_or_default();
    let directory = file.parent().unwrap_or(Path::new(""));
    including.push(path());
    let mut merged = Table::new();
    for include in includes {
        match load(&directory.join(&include.path), including) {
            Err(BuildError::Read { source, .. })
                if include.optional && source.kind() == io::ErrorKind::NotFound => {}
            table => merge(&mut merged, table?),
        }
    }
    including.pop();
    merge(&mut merged, own);
    Ok(merged)
}

struct Include {
    path: String,
    optional: bool,
}

/// `include` is a path, or a list of paths and of tables with `path` and `optional`.
fn includes(value: Value) -> Vec<Include> {
    match value {
        Value::Array(items) => items.into_iter().flat_map(includes).collect(),
        Value::String(path) => vec![Include {
            path,
            optional: false,
        }],
        Value::Table(table) => {
            let optional = table.get("optional").and_then(Value::as_bool);
            table
                .get("path")
                .and_then(Value::as_str)
                .map(|path| Include {
                    path: path.to_owned(),
                    optional: optional.unwrap_or(false),
                })
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Puts `upper` over `lower`: tables join, lists follow each other, anything else is replaced.
fn merge(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (Some(Value::Array(below)), Value::Array(above)) => below.extend(above),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn nearer_files_win_and_lists_follow_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        write(
            &at("home/config.toml"),
            "[build]\nrustflags = ['home']\ntarget-dir = 'home'",
        );
        write(
            &at("w/.cargo/config.toml"),
            "[build]\nrustflags = ['w']\ntarget-dir = 'w'",
        );
        write(&at("w/p/.cargo/config"), "[build]\nrustflags = ['p']");
        write(
            &at("w/p/.cargo/config.toml"),
            "[build]\nrustflags = ['unread']",
        );
        let config = Config::load(&at("w/p"), Some(&at("home"))).unwrap();
        assert_eq!(
            config.list(&["build", "rustflags"]).unwrap(),
            ["home", "w", "p"]
        );
        assert_eq!(
            config.get(&["build", "target-dir"]).unwrap().as_str(),
            Some("w")
        );
    }

    #[test]
    fn includes_are_below_the_file_that_names_them() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        write(
            &at(".cargo/config.toml"),
            "include = ['a.toml', { path = 'none.toml', optional = true }]\n[build]\nrustflags = ['own']\njobs = 2",
        );
        write(&at(".cargo/a.toml"), "[build]\nrustflags = ['a']\njobs = 1");
        let config = Config::load(dir.path(), None).unwrap();
        assert_eq!(config.list(&["build", "rustflags"]).unwrap(), ["a", "own"]);
        assert_eq!(
            config.get(&["build", "jobs"]).unwrap().as_integer(),
            Some(2)
        );
    }

    #[test]
    fn includes_in_a_circle_are_an_error() {
        let dir = tempfile::tempdir().unwrap();
        write(
            &dir.path().join(".cargo/config.toml"),
            "include = ['config.toml']",
        );
        assert!(matches!(
            Config::load(dir.path(), None),
            Err(BuildError::Cycle { .. })
        ));
    }
}
