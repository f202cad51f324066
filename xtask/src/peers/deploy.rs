//! From an edited program to the digest of its image in a registry on loopback,
//! by peers that need no daemon either. The program is the same small web server
//! for all, in a scratch image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Error;
use super::tools::Tools;
use crate::clock::uptime;
use crate::file::failed;
use crate::{cluster, command, terminal};

/// What was measured.
struct Figure {
    tool: String,
    step: &'static str,
    times: Vec<Duration>,
}

/// Measures each step of each peer `runs` times, taking turns, and prints it.
///
/// # Errors
/// When there is no registry or a peer fails.
pub(super) fn compare(tools: &Tools, runs: u32, json: bool) -> Result<(), Error> {
    let about = cluster::about()?;
    let registry = about["registry"].as_str().unwrap_or_default();
    let bench = Bench::prepare(registry)?;
    let mut figures = vec![
        figure(format!("ko {}", tools.ko_version), "edited"),
        figure(format!("ko {}", tools.ko_version), "unchanged"),
        figure(buildah_version()?, "edited"),
        figure(buildah_version()?, "unchanged"),
    ];
    // Once unmeasured: Go compiles its library.
    bench.ko(&tools.ko)?;
    for run in 0..runs {
        terminal::step(&format!("run {} of {runs}", run + 1));
        bench.edit(&format!("ko {run}"))?;
        let (edited, first) = timed(|| bench.ko(&tools.ko))?;
        let (unchanged, second) = timed(|| bench.ko(&tools.ko))?;
        expect_digests("ko", &first, &second)?;
        figures[0].times.push(edited);
        figures[1].times.push(unchanged);
        bench.edit(&format!("buildah {run}"))?;
        figures[2].times.push(timed(|| bench.buildah())?.0);
        figures[3].times.push(timed(|| bench.buildah())?.0);
    }
    bench.remove_storage()?;
    for figure in &figures {
        terminal::result(&if json { figure.json() } else { figure.line() });
    }
    ours(&about, "image", &runs.to_string())?;
    ours(&about, "apply", &runs.to_string())
}

/// The same steps of this project; each program prints its figures as JSON.
fn ours(about: &serde_json::Value, program: &str, runs: &str) -> Result<(), Error> {
    let fact = |name: &str| about[name].as_str().unwrap_or_default();
    let arguments = [
        "run",
        "--quiet",
        "--package",
        "metaparticle-benches",
        "--bin",
    ];
    let mut cargo = command::cargo(arguments);
    cargo
        .args([program, "--", runs])
        .env(
            "METAPARTICLE_BENCH_REPOSITORY",
            format!("{}/peers", fact("registry")),
        )
        .env("KUBECONFIG", fact("kubeconfig"))
        .env("METAPARTICLE_CONTEXT", fact("context"))
        .env("METAPARTICLE_NAMESPACE", "peers")
        .env("KUBECTL", fact("kubectl"));
    terminal::result(command::output(&mut cargo)?.trim_end());
    Ok(())
}

/// The folder that everything happens in, and the registry.
struct Bench {
    folder: PathBuf,
    registry: String,
}

const SOURCE: &str = include_str!("../../peers/web/main.go");

impl Bench {
    fn prepare(registry: &str) -> Result<Self, Error> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target");
        let folder = target.join("xtask/peers-deploy");
        let program = folder.join("web");
        fs::create_dir_all(&program).map_err(failed("create", &program))?;
        let manifest = "module example.test/web\n\ngo 1.26.0\n";
        write(&program.join("go.mod"), manifest)?;
        write(
            &folder.join("Containerfile"),
            "FROM scratch\nCOPY web.bin /web\nENTRYPOINT [\"/web\"]\n",
        )?;
        let bench = Self {
            folder,
            registry: registry.to_owned(),
        };
        bench.edit("first")?;
        bench.push_empty_base()?;
        Ok(bench)
    }

    /// Another word in the program.
    fn edit(&self, word: &str) -> Result<(), Error> {
        write(
            &self.folder.join("web/main.go"),
            &SOURCE.replace("unedited", word),
        )
    }

    /// ko has no word for a base image without any layer, so there is one.
    fn push_empty_base(&self) -> Result<(), Error> {
        let container = self.run_buildah(&["from", "scratch"])?;
        let container = container.trim();
        let image = self.image("empty");
        self.run_buildah(&["commit", "--quiet", "--rm", container, &image])?;
        self.run_buildah(&["push", "--quiet", "--tls-verify=false", &image])?;
        Ok(())
    }

    fn ko(&self, ko: &Path) -> Result<String, Error> {
        let mut command = Command::new(ko);
        command.args([
            "build",
            "--bare",
            "--sbom=none",
            "--platform=linux/amd64",
            ".",
        ]);
        command.current_dir(self.folder.join("web"));
        command.env("KO_DOCKER_REPO", format!("{}/peers/ko", self.registry));
        command.env("KO_DEFAULTBASEIMAGE", self.image("empty"));
        Ok(command::output(&mut command)?)
    }

    /// Compiles as ko does, makes an image, pushes it.
    fn buildah(&self) -> Result<(), Error> {
        let mut go = command::command(
            "go",
            [
                "build",
                "-trimpath",
                "-ldflags=-s -w",
                "-o",
                "../web.bin",
                ".",
            ],
        );
        go.current_dir(self.folder.join("web"))
            .env("CGO_ENABLED", "0");
        command::output(&mut go)?;
        let (image, folder) = (self.image("buildah"), self.folder.to_string_lossy());
        let file = format!("{folder}/Containerfile");
        self.run_buildah(&[
            "build", "--quiet", "--layers", "--file", &file, "--tag", &image, &folder,
        ])?;
        self.run_buildah(&["push", "--quiet", "--tls-verify=false", &image])?;
        Ok(())
    }

    /// buildah with a storage of its own that needs no mounts.
    fn run_buildah(&self, arguments: &[&str]) -> Result<String, Error> {
        let mut command = Command::new("buildah");
        command.args(["--storage-driver", "vfs"]);
        command.arg("--root").arg(self.folder.join("storage"));
        command.arg("--runroot").arg(self.folder.join("run"));
        command.args(arguments).env("BUILDAH_ISOLATION", "chroot");
        Ok(command::output(&mut command)?)
    }

    fn remove_storage(&self) -> Result<(), Error> {
        self.run_buildah(&["rmi", "--all", "--force"])?;
        for folder in ["storage", "run"].map(|name| self.folder.join(name)) {
            fs::remove_dir_all(&folder).map_err(failed("remove", folder))?;
        }
        Ok(())
    }

    fn image(&self, name: &str) -> String {
        format!("{}/peers/{name}:latest", self.registry)
    }
}

impl Figure {
    fn line(&self) -> String {
        let (least, median, most) = spread(&self.times);
        let seconds = |time: Duration| format!("{:6.2}", time.as_secs_f64());
        let (tool, step) = (&self.tool, self.step);
        format!(
            "{tool:<16} {step:<10} median {} s, {} to {}",
            seconds(median),
            seconds(least),
            seconds(most)
        )
    }

    fn json(&self) -> String {
        let seconds: Vec<_> = self.times.iter().map(Duration::as_secs_f64).collect();
        serde_json::json!({"tool": self.tool, "step": self.step, "seconds": seconds}).to_string()
    }
}

fn figure(tool: String, step: &'static str) -> Figure {
    Figure {
        tool,
        step,
        times: Vec::new(),
    }
}

fn buildah_version() -> Result<String, Error> {
    let answer = command::run("buildah", ["--version"])?;
    let words: Vec<_> = answer.split_whitespace().take(3).collect();
    Ok(words.join(" ").replace("version ", ""))
}

/// An unchanged program must have an unchanged image, else two steps that differ
/// were measured.
fn expect_digests(peer: &'static str, first: &str, second: &str) -> Result<(), Error> {
    if first == second && first.contains("@sha256:") {
        return Ok(());
    }
    let answer = format!("{first}{second}");
    Err(Error::Answer {
        peer,
        answer,
        expected: "one digest, twice",
    })
}

fn timed<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<(Duration, T), Error> {
    let start = uptime();
    let result = work()?;
    Ok((uptime().saturating_sub(start), result))
}

/// The least, the median and the most.
fn spread(times: &[Duration]) -> (Duration, Duration, Duration) {
    let mut times = times.to_vec();
    times.sort();
    let at = |index: usize| times.get(index).copied().unwrap_or_default();
    (
        at(0),
        at(times.len() / 2),
        at(times.len().saturating_sub(1)),
    )
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    Ok(fs::write(path, text).map_err(failed("write", path))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_of_the_sorted_times() {
        let times = [5, 1, 3].map(Duration::from_secs);
        assert_eq!(spread(&times), (times[1], times[2], times[0]));
    }

    #[test]
    fn edit_changes_the_program() {
        assert_ne!(SOURCE.replace("unedited", "other"), SOURCE);
    }

    #[test]
    fn two_digests_of_an_unchanged_program_are_refused() {
        assert!(expect_digests("ko", "a@sha256:1", "a@sha256:1").is_ok());
        assert!(expect_digests("ko", "a@sha256:1", "a@sha256:2").is_err());
        assert!(expect_digests("ko", "", "").is_err());
    }
}
