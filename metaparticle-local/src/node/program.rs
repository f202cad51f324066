//! [`Program`]: what the node runs for an image, and how a container's own words change that. Pure but for the search of
//! an executable.

use std::{
    collections::BTreeMap,
    fs, iter,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use k8s_openapi::api::core::v1::Container;

/// What is run for an image. Its path and arguments are the image's entry point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The executable file.
    pub path: PathBuf,
    /// Its first arguments. A container's `args` follow them; its `command` replaces both path and arguments, and is then
    /// a program of this machine.
    pub args: Vec<String>,
    /// Environment, which the container's own overrides.
    pub env: BTreeMap<String, String>,
}

/// The words of a container's command line, the program first.
pub(crate) fn command_line(
    container: &Container,
    program: &Program,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let all = |words: &Option<Vec<String>>| -> Vec<String> {
        let words = words.iter().flatten();
        words.map(|word| expand(word, &variable)).collect()
    };
    let command = all(&container.command);
    let entry_point = if command.is_empty() {
        let path = program.path.to_string_lossy().into_owned();
        iter::once(path).chain(program.args.clone()).collect()
    } else {
        command
    };
    [entry_point, all(&container.args)].concat()
}

/// `$(NAME)` is the variable's value, or stays where there is none; `$$` is `$`.
pub(crate) fn expand(text: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        result.push_str(before);
        if let Some(after) = from.strip_prefix("$$") {
            result.push('$');
            rest = after;
        } else if let Some((name, after)) =
            from.strip_prefix("$(").and_then(|it| it.split_once(')'))
        {
            match variable(name) {
                Some(value) => result.push_str(&value),
                None => result.push_str(&from[..name.len() + 3]),
            }
            rest = after;
        } else {
            result.push('$');
            rest = &from[1..];
        }
    }
    result + rest
}

/// The executable file that a word means: a path, from `folder` on, or a name that is looked up in `path`.
///
/// # Errors
/// In the words of a container runtime.
pub(crate) fn find(word: &str, path: &str, folder: &Path) -> Result<PathBuf, String> {
    if word.contains('/') {
        let file = folder.join(word);
        return match fs::metadata(&file) {
            Err(_) => Err(format!(
                "exec: \"{word}\": stat {word}: no such file or directory"
            )),
            Ok(about) if !is_executable(&about) => {
                Err(format!("exec: \"{word}\": permission denied"))
            }
            Ok(_) => Ok(file),
        };
    }
    path.split(':')
        .map(|folder| Path::new(folder).join(word))
        .find(|file| fs::metadata(file).is_ok_and(|about| is_executable(&about)))
        .ok_or_else(|| format!("exec: \"{word}\": executable file not found in $PATH"))
}

fn is_executable(about: &fs::Metadata) -> bool {
    about.is_file() && about.permissions().mode() & 0o111 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &[&str], args: &[&str]) -> Vec<String> {
        let owned = |words: &[&str]| Some(words.iter().map(|it| (*it).to_owned()).collect());
        let container = Container {
            command: owned(command),
            args: owned(args),
            ..Container::default()
        };
        let program = Program {
            path: "/bin/web".into(),
            args: vec!["serve".into()],
            ..Program::default()
        };
        let variable = |name: &str| (name == "A").then(|| "1".to_owned());
        command_line(&container, &program, variable)
    }

    #[test]
    fn args_follow_the_entry_point_and_a_command_replaces_it() {
        assert_eq!(words(&[], &[]), ["/bin/web", "serve"]);
        assert_eq!(
            words(&[], &["-v", "$(A)"]),
            ["/bin/web", "serve", "-v", "1"]
        );
        assert_eq!(words(&["sh", "$(A)"], &["-c"]), ["sh", "1", "-c"]);
    }

    #[test]
    fn variables_are_expanded_as_kubernetes_does_it() {
        let table = [
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$A $", "$A $"),
            ("$(A", "$(A"),
        ];
        for (text, expected) in table {
            let variable = |name: &str| (name == "A").then(|| "1".to_owned());
            assert_eq!(expand(text, variable), expected, "{text}");
        }
    }

    #[test]
    fn a_name_is_looked_up_and_a_path_is_not() {
        let root = Path::new("/");
        assert_eq!(find("sh", "/nowhere:/bin", root), Ok("/bin/sh".into()));
        assert_eq!(find("bin/sh", "", root), Ok("/bin/sh".into()));
        let missing = find("nope", "/bin", root).unwrap_err();
        assert_eq!(
            missing,
            "exec: \"nope\": executable file not found in $PATH"
        );
        let missing = find("/nope", "/bin", root).unwrap_err();
        assert_eq!(
            missing,
            "exec: \"/nope\": stat /nope: no such file or directory"
        );
        assert!(find("/etc/passwd", "", root).is_err());
    }
}
