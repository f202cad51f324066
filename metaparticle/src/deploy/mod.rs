//! The deployer: what an annotated program does when it is started on a laptop. Compiled out of container builds.
//!
//! `main` reads the [command line](command), chooses a [`target`] and runs one command on a runtime of its own;
//! the user's runtime is built only inside the cluster.

use std::{process::ExitCode, str::FromStr};

use metaparticle_spec::{Embedded, Namespace, SpecError, render::APP_LABEL};

pub mod apply;
pub mod build;
pub mod cluster;
pub mod command;
pub mod down;
mod error;
pub mod forward;
pub mod image;
mod interrupt;
#[cfg(feature = "local")]
mod local;
pub mod logs;
mod mirror;
pub mod nodes;
mod overrides;
mod place;
mod proxy;
pub mod render;
pub mod report;
pub mod rollout;
mod run;
pub mod status;
pub mod target;
mod up;

use cluster::Cluster;
use command::Command;
pub use error::{Error, Publish};
use interrupt::Interrupt;
use place::Place;
use report::{Event, Output, Report};
use target::{Chosen, Named};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// It did what it was asked for.
    Success,
    /// The deployment, or the program that was deployed, failed.
    Failed,
    /// Command line, configuration or target are wrong; nothing was changed.
    Usage,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The exit code of the process.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Runs the deployer of the program that carries `embedded`, with the command line and environment of this process.
///
/// The caller ends the process with the returned code; tasks that are still running are given up.
#[must_use]
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the process's, and this is its last use"
)]
pub fn main(embedded: Embedded) -> Exit {
    let command = match command::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            // Nobody may read any more.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            };
        }
    };
    let ended = output(&command).map(Report::new);
    let report = ended
        .as_ref()
        .map_or_else(|_| Report::new(Output::Human), Clone::clone);
    let ended = ended.and_then(|report| run_command(&embedded, &command, &report));
    ended.unwrap_or_else(|error| {
        let exit = error.exit();
        report.failure(&error, exit.code());
        exit
    })
}

/// A variable of the environment that is set to something.
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable of the environment that is set, by the rules of the flag that it stands for.
fn parsed<T: FromStr<Err = SpecError>>(name: &'static str) -> Result<Option<T>, Error> {
    let parse = |value: String| {
        T::from_str(&value).map_err(|error| Error::Environment {
            name,
            rule: error.to_string(),
        })
    };
    env(name).map(parse).transpose()
}

fn output(command: &Command) -> Result<Output, Error> {
    const NAME: &str = "METAPARTICLE_OUTPUT";
    match (
        command.target().and_then(|target| target.output),
        env(NAME).as_deref(),
    ) {
        (Some(output), _) => Ok(output),
        (None, None | Some("human")) => Ok(Output::Human),
        (None, Some("json")) => Ok(Output::Json),
        (None, Some(value)) => Err(Error::Environment {
            name: NAME,
            rule: format!("`{value}` is no output format: use `human` or `json`"),
        }),
    }
}

fn run_command(embedded: &Embedded, command: &Command, report: &Report) -> Result<Exit, Error> {
    let spec = &embedded.spec;
    let (target, action) = match command {
        Command::Render(options) => {
            render::render(embedded, options, report)?;
            return Ok(Exit::Success);
        }
        Command::Up(up) => (&up.target, "deploying"),
        Command::Down(down) => (&down.target, "deleting"),
        Command::Status(status) => (&status.target, "reading"),
        Command::Logs(logs) => (&logs.target, "reading"),
    };
    if target.namespace.is_none() {
        parsed::<Namespace>("METAPARTICLE_NAMESPACE")?;
    }
    let target = Named::new(target, env, spec).choose()?;
    let spec = overrides::overridden(spec, env)?;
    let system = |doing| move |source| Error::System { doing, source };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2) // one may be held up by a credential helper, and Ctrl-C must still be heard
        .enable_all()
        .build()
        .map_err(system("start a runtime"))?;
    let exit = runtime.block_on(async {
        let interrupt = Interrupt::listen(report.clone()).map_err(system("listen for Ctrl-C"))?;
        let place = match command {
            Command::Up(options) => tokio::select! {
                biased;
                () = interrupt.wait() => return Ok(Exit::Interrupted),
                place = Place::open(target, &spec, options, report) => place?,
            },
            _ => Place::find(target, &spec)?,
        };
        let chosen = place.chosen();
        report.event(Event::Target {
            action,
            app: spec.name.to_string(),
            context: chosen.context.clone(),
            server: chosen.server.clone(),
            namespace: chosen.namespace.clone(),
            why: format!("{} it", chosen.why),
        });
        match command {
            Command::Up(options) => {
                let embedded = Embedded {
                    spec,
                    ..embedded.clone()
                };
                // Decides by itself what Ctrl-C does.
                let ended = up::up(&embedded, options, &place, report, &interrupt).await;
                // However it ended, programs are asked to end before they are killed.
                place.close().await;
                ended
            }
            command => tokio::select! {
                biased;
                () = interrupt.wait() => Ok(Exit::Interrupted),
                ended = look_after(embedded, command, chosen.clone(), report) => ended,
            },
        }
    });
    // What still blocks a thread is nobody's concern any more.
    runtime.shutdown_background();
    exit
}

/// Commands on what is deployed already.
async fn look_after(
    embedded: &Embedded,
    command: &Command,
    chosen: Chosen,
    report: &Report,
) -> Result<Exit, Error> {
    let name = embedded.spec.name.as_str();
    let cluster = Cluster::connect(chosen, report).await?;
    let done = |message: String| report.event(Event::Done { message });
    match command {
        Command::Down(_) => match down::down(&cluster, name, report).await? {
            0 => done(format!("nothing of {name} was there to delete")),
            deleted => done(format!("{name} is gone: {deleted} objects deleted")),
        },
        Command::Status(_) => {
            if status::status(&cluster, name, report).await? == 0 {
                done(format!("{name} is not deployed"));
            }
        }
        Command::Logs(options) => {
            let Cluster {
                client, namespace, ..
            } = &cluster;
            let selector = format!("{APP_LABEL}={name}");
            if options.follow {
                let forever = std::future::pending();
                logs::follow(client, namespace, &selector, options.tail, report, forever).await?;
            } else {
                logs::show(client, namespace, &selector, options.tail, report).await?;
            }
        }
        Command::Up(_) | Command::Render(_) => unreachable!("they were run before"),
    }
    Ok(Exit::Success)
}

/// Chooses the cryptography of every TLS connection of this process, unless that is done.
///
/// With more than one provider in the graph, rustls panics instead of choosing.
pub(crate) fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may be faster; its choice is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    //! Applications for tests.

    use metaparticle_spec::{AppSpec, Artifact, Embedded};

    /// A program with files that show where they come from.
    pub(crate) fn embedded(name: &str) -> Embedded {
        let artifact = |path: &str, text: &str| Artifact {
            path: path.into(),
            text: text.into(),
        };
        Embedded {
            spec: spec(name),
            build: serde_json::from_value(serde_json::json!({
                "package": name, "version": "0.1.0", "bin": name, "example": false, "features": [],
                "rustc": "1.89.0", "manifest_dir": "/nowhere", "package_path": "",
            }))
            .expect("the fixture is valid"),
            artifacts: vec![
                artifact("Dockerfile", "FROM scratch\n"),
                artifact("manifests.yaml", "embedded manifests\n"),
            ],
        }
    }

    /// A service with one port.
    pub(crate) fn spec(name: &str) -> AppSpec {
        serde_json::from_value(serde_json::json!({
            "name": name, "repository": null, "tag": "0.1.0", "namespace": null, "context": null,
            "ports": ["8080"], "public": false, "env": {}, "resources": {}, "probes": {}, "base": null,
            "on_exit": "detach", "coordination": false, "policy": false, "workload": {"replicated": {"replicas": 1}},
        }))
        .expect("the fixture is valid")
    }
}
