//! The command line: which words belong to the program, and what the others ask the deployer for.
//!
//! Everything after cargo's `--` is the program's, unless its first word is `metaparticle`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use metaparticle_spec::{Format, Namespace, Repository};

use super::report::Output;

/// Deploys this program to Kubernetes, and looks after it there.
#[derive(Debug, Parser)]
#[command(
    name = "metaparticle",
    bin_name = "cargo run -- metaparticle",
    disable_version_flag = true,
    after_help = "Without the word `metaparticle`, `cargo run -- WORDS…` is `up -- WORDS…`: the words reach the \
                  program in its container.\n\n\
                  Exit codes: 0 done, 1 the deployment or the deployed program failed, 2 wrong usage or target \
                  (nothing was changed), 130 Ctrl-C."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What the deployer is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Build the image, push it, apply the objects, and judge the rollout (what a bare `cargo run` does).
    Up(Up),
    /// Delete exactly what this program deployed.
    Down(Down),
    /// Print the manifests of this program, or write them with its Dockerfile (--out). Needs no cluster.
    Render(Render),
    /// Show the deployed objects, and whether they are ready.
    Status(Status),
    /// Show what the deployed program writes.
    Logs(Logs),
}

impl Command {
    /// Where to, if the command is for a cluster.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Up(up) => Some(&up.target),
            Self::Down(down) => Some(&down.target),
            Self::Status(status) => Some(&status.target),
            Self::Logs(logs) => Some(&logs.target),
            Self::Render(_) => None,
        }
    }
}

/// `up`
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags")]
#[expect(clippy::doc_markdown, reason = "the text is shown as it is by --help")]
pub struct Up {
    /// Where to deploy, and how to tell of it.
    #[command(flatten)]
    pub target: Target,
    /// Repository to which the image is pushed, such as `registry.example.com/team`
    /// [env: METAPARTICLE_REPOSITORY] [default: the attribute's]
    #[arg(long, value_name = "REPOSITORY")]
    pub repository: Option<Repository>,
    /// Exit when the rollout is judged, also at a terminal.
    #[arg(long, conflicts_with_all = ["follow", "port_forward"])]
    pub detach: bool,
    /// Follow the program's logs until Ctrl-C, also without a terminal.
    #[arg(long)]
    pub follow: bool,
    /// Take over fields that another manager set, and objects that belong to nobody.
    #[arg(long)]
    pub take_ownership: bool,
    /// Create the namespace if it does not exist.
    #[arg(long)]
    pub create_namespace: bool,
    /// Forward the declared ports to this machine (default while logs are followed); implies --follow.
    #[arg(long, overrides_with = "no_port_forward")]
    pub port_forward: bool,
    /// Forward no ports.
    #[arg(long, overrides_with = "port_forward")]
    pub no_port_forward: bool,
    /// How long the rollout may take, such as `90s` or `10m` [default: 10m; a job: no limit]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Arguments of the program in its container.
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// `down`
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Down {
    /// Where to delete, and how to tell of it.
    #[command(flatten)]
    pub target: Target,
}

/// `status`
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Where to look, and how to tell of it.
    #[command(flatten)]
    pub target: Target,
}

/// `logs`
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Logs {
    /// Where to look, and how to tell of it.
    #[command(flatten)]
    pub target: Target,
    /// Go on with new lines until Ctrl-C.
    #[arg(long, short)]
    pub follow: bool,
    /// Begin with so many of the last lines of each pod [default: all]
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u32>,
}

/// Where to, and how to tell of it.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::doc_markdown, reason = "the text is shown as it is by --help")]
pub struct Target {
    /// Context of the kubeconfig [env: METAPARTICLE_CONTEXT] [default: the attribute's, else the embedded cluster; never
    /// the current one]
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// Namespace [env: METAPARTICLE_NAMESPACE] [default: the attribute's, else the context's]
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<Namespace>,
    /// Lines for people, or one JSON object a line on stdout [env: METAPARTICLE_OUTPUT] [default: human]
    #[arg(long, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// `render`
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Render {
    /// Shape of the manifests.
    #[arg(long, value_name = "FORMAT", default_value = "yaml", value_parser = format())]
    pub format: Format,
    /// Image to write into the manifests [default: repository/name:version]
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Directory to write the files to, instead of printing the manifests.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Compare with the files in a directory, write nothing, and exit with 1 if one is missing or stale.
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    pub check: Option<PathBuf>,
}

/// Reads the command line of a process, without its first word.
///
/// # Errors
/// The text for the user: help that was asked for (exit code 0), or a mistake (exit code 2).
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.first().is_some_and(|word| word == "metaparticle") {
        return Cli::try_parse_from(args).map(|cli| cli.command);
    }
    let words = ["metaparticle", "up", "--"].map(OsString::from);
    Cli::try_parse_from(words.into_iter().chain(args)).map(|cli| cli.command)
}

fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(["yaml", "kustomize", "helm"]).map(|text| match text.as_str() {
        "kustomize" => Format::Kustomize,
        "helm" => Format::Helm,
        _ => Format::Yaml,
    })
}

/// `90s`, `10m`, `1h`, `1500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    unit.zip(number.parse::<u64>().ok())
        .and_then(|(unit, number)| number.checked_mul(unit))
        .filter(|&millis| millis > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| "write a number and a unit, such as `90s`, `10m` or `1h`".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parsed(words: &[&str]) -> Command {
        parse(words.iter().map(OsString::from)).unwrap()
    }

    fn refused(words: &[&str]) -> String {
        parse(words.iter().map(OsString::from))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_words_are_up() {
        assert_eq!(parsed(&[]), Command::Up(Up::default()));
    }

    #[test]
    fn words_belong_to_the_program() {
        let words = ["--detach", "up", "--help", "--", "metaparticle", "down"];
        let up = Up {
            args: words.map(String::from).into(),
            ..Up::default()
        };
        assert_eq!(parsed(&words), Command::Up(up));
    }

    #[test]
    fn first_word_metaparticle_speaks_to_the_deployer() {
        let up = Up {
            target: Target {
                context: Some("kind".into()),
                ..Target::default()
            },
            detach: true,
            args: vec!["--verbose".into()],
            ..Up::default()
        };
        let words = [
            "metaparticle",
            "up",
            "--detach",
            "--context=kind",
            "--",
            "--verbose",
        ];
        assert_eq!(parsed(&words), Command::Up(up));
    }

    #[test]
    fn an_unknown_command_names_a_similar_one() {
        assert!(refused(&["metaparticle", "dwon"]).contains("'down'"));
    }

    #[test]
    fn up_refuses_words_of_the_program_without_the_separator() {
        assert!(refused(&["metaparticle", "up", "--verbose"]).contains("--verbose"));
    }

    #[test]
    fn a_duration_has_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "90", "s", "0s", "1d", "-1s", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn render_checks_or_writes_but_not_both() {
        let text = refused(&["metaparticle", "render", "--check", "a", "--out", "b"]);
        assert!(text.contains("--check"), "{text}");
    }
}
