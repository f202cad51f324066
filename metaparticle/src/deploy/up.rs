//! `up`: from the program to ready pods, and what Ctrl-C does on the way.

use std::{
    io::IsTerminal as _,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kube::{
    api::PropagationPolicy,
    core::{ApiResource, GroupVersionKind},
};
use metaparticle_spec::{
    AppSpec, Embedded, OnExit, Repository, Workload,
    render::{APP_LABEL, append_args, manifests, service_ports, service_selector},
};
use serde_json::Value;
use tokio::sync::oneshot;

use super::{
    Error, Exit,
    apply::{self, Outcome, Request, delete, object::Live, set},
    build::Profile,
    cluster::Cluster,
    command::Up,
    down::down,
    error::Publish,
    forward,
    image::{self, Destination, PublishRequest},
    interrupt::Interrupt,
    logs,
    nodes::{self, Platform},
    parsed,
    place::Place,
    report::{Event, Report},
    rollout, run,
    target::Chosen,
};

/// How long a rollout may take, unless `--timeout` says otherwise.
const ROLLOUT: Duration = Duration::from_secs(600);
/// How long the first Ctrl-C may take to delete what was deployed.
const CLEANUP: Duration = Duration::from_secs(30);
/// Label of a Job's pods, set by the Job controller.
const JOB_LABEL: &str = "batch.kubernetes.io/job-name";

/// Deploys the program to `place`, judges the rollout, and follows the logs if that is asked for.
///
/// # Errors
/// [`Error`], by what failed. What was applied before stays, to be looked at; the next run goes on from there.
///
/// # Cancel safety
/// May be dropped at any time; the next run converges.
pub(super) async fn up(
    embedded: &Embedded,
    options: &Up,
    place: &Place,
    report: &Report,
    interrupt: &Interrupt,
) -> Result<Exit, Error> {
    let chosen = place.chosen().clone();
    let deployment = Deployment {
        embedded,
        options,
        place,
        profile: std::env::current_exe()
            .map_or(Profile::Fast, |path| Profile::of_executable(&path)),
        is_local: chosen.is_local(),
        report,
        armed: AtomicBool::new(false),
        run: OnceLock::new(),
    };
    deployment.warn(&chosen);
    let repository = deployment.repository()?;
    let cluster = Cluster::connect(chosen, report).await?;
    tokio::select! {
        biased;
        () = interrupt.wait() => deployment.interrupted(&cluster).await,
        ended = deployment.deploy(&cluster, repository) => ended,
    }
}

struct Deployment<'a> {
    embedded: &'a Embedded,
    options: &'a Up,
    place: &'a Place,
    profile: Profile,
    is_local: bool,
    report: &'a Report,
    /// Whether an object may have been written.
    armed: AtomicBool,
    /// Name of the Job of this run.
    run: OnceLock<String>,
}

impl Deployment<'_> {
    fn spec(&self) -> &AppSpec {
        &self.embedded.spec
    }

    fn warn(&self, chosen: &Chosen) {
        if !self.is_local && self.profile == Profile::Fast {
            self.report.event(Event::warning(format!(
                "context {} is not on this machine, and the program is built without optimizations; \
                 `cargo run --release` deploys a smaller and faster one",
                chosen.context
            )));
        }
    }

    async fn deploy(
        &self,
        cluster: &Cluster,
        repository: Option<Repository>,
    ) -> Result<Exit, Error> {
        let spec = self.spec();
        if matches!(spec.workload, Workload::Job { .. }) {
            let name = self.new_run(cluster).await?;
            self.run.set(name).expect("a run has one name");
        }
        let before = self.request(manifests(spec, "not-known-yet"), None);
        let (platform, ()) = tokio::try_join!(
            async { Ok::<_, Error>(nodes::platform(cluster, self.is_local, self.report).await??) },
            async { Ok(apply::preflight(cluster, &before).await?) },
        )?;
        let image = self.image(repository, platform).await?;
        let request = self.request(manifests(spec, &image), Some(platform));
        let outcome = apply::apply(cluster, &request, self.report, &self.armed).await?;
        match self.run.get() {
            Some(run) => self.run_job(cluster, run, &outcome).await,
            None => self.serve(cluster, &outcome).await,
        }
    }

    /// What pods name as their image: published for a cluster elsewhere, this program here.
    async fn image(
        &self,
        repository: Option<Repository>,
        platform: Platform,
    ) -> Result<String, Error> {
        #[cfg(feature = "local")]
        if let Some(running) = self.place.here() {
            return Ok(running.image.clone());
        }
        let request = PublishRequest {
            repository,
            architecture: platform.arch,
            profile: self.profile,
            destination: Destination::Registry,
        };
        let published = image::publish(self.embedded, &request, self.report)
            .await
            .map_err(Publish::from)?;
        Ok(published.reference)
    }

    /// Whether the cluster lives in this process.
    fn is_here(&self) -> bool {
        !matches!(self.place, Place::There(_))
    }

    /// A name that no Job has.
    async fn new_run(&self, cluster: &Cluster) -> Result<String, Error> {
        let job = ApiResource::from_gvk(&GroupVersionKind::gvk("batch", "v1", "Job"));
        loop {
            let name = run::new_name(self.spec().name.as_str());
            if !apply::exists(cluster, &job, &name).await? {
                return Ok(name);
            }
        }
    }

    fn request(&self, manifests: Vec<Value>, platform: Option<Platform>) -> Request {
        let run = self.run.get().map(String::as_str);
        Request {
            app: self.spec().name.to_string(),
            manifests: adapted(manifests, run, &self.options.args, platform),
            take_ownership: self.options.take_ownership,
            // The embedded cluster is new with every run.
            create_namespace: self.options.create_namespace || self.is_here(),
        }
    }

    /// The repository that is named instead of the attribute's. One of them must name one.
    fn repository(&self) -> Result<Option<Repository>, Error> {
        let named = match &self.options.repository {
            Some(repository) => Some(repository.clone()),
            None => parsed("METAPARTICLE_REPOSITORY")?,
        };
        if named.is_none() && self.spec().repository.is_none() && !self.is_here() {
            let app = self.spec().name.to_string();
            return Err(Publish::from(image::Error::NoRepository { app }).into());
        }
        Ok(named)
    }

    fn patience(&self) -> Duration {
        self.options.timeout.unwrap_or(ROLLOUT)
    }

    /// Follows one run of a job to its end.
    async fn run_job(
        &self,
        cluster: &Cluster,
        run: &str,
        outcome: &Outcome,
    ) -> Result<Exit, Error> {
        if self.options.detach {
            self.report.event(Event::Done {
                message: format!("Job/{run} is started"),
            });
            return Ok(Exit::Success);
        }
        let Cluster {
            client, namespace, ..
        } = cluster;
        let selector = format!("{JOB_LABEL}={run}");
        let (ended, until) = oneshot::channel::<()>();
        let judged = async {
            let judged =
                rollout::wait(client, &outcome.applied, self.report, self.patience()).await;
            drop(ended);
            judged
        };
        let until = async {
            let _ = until.await;
        };
        let told = logs::follow(client, namespace, &selector, None, self.report, until);
        let (judged, told) = tokio::join!(judged, told);
        if let Err(error) = told {
            self.report.event(Event::warning(error.to_string()));
        }
        let completed = judged?.completed;
        self.report.event(Event::Done {
            message: format!("Job/{run} is complete: {completed} of {completed} done"),
        });
        Ok(Exit::Success)
    }

    /// Judges the rollout of a service, and stays with it if that is asked for.
    async fn serve(&self, cluster: &Cluster, outcome: &Outcome) -> Result<Exit, Error> {
        let Cluster {
            client, namespace, ..
        } = cluster;
        let name = &self.spec().name;
        let judged = rollout::wait(client, &outcome.applied, self.report, self.patience()).await?;
        let ready = format!("{} pods are ready", judged.ready);
        let message = if outcome.is_unchanged() {
            let objects = outcome.applied.len();
            format!("nothing changed: all {objects} objects of {name} are as declared, {ready}")
        } else {
            format!("{name} is deployed: {ready}")
        };
        self.report.event(Event::Done { message });
        if !self.stays() {
            return Ok(Exit::Success);
        }
        let selector = format!("{APP_LABEL}={name}");
        let _forward = self.reach(cluster).await?;
        let tail = outcome.is_unchanged().then_some(10);
        let forever = std::future::pending();
        let told = logs::follow(client, namespace, &selector, tail, self.report, forever).await;
        if let Err(error) = told {
            // Ports are worth staying for.
            self.report.event(Event::warning(error.to_string()));
            std::future::pending::<()>().await;
        }
        Ok(Exit::Success)
    }

    /// Makes the ports of the program's Service reachable on this machine, unless they are not wanted.
    async fn reach(&self, cluster: &Cluster) -> Result<Option<forward::Forward>, Error> {
        let spec = self.spec();
        let ports = if self.options.no_port_forward {
            Vec::new()
        } else {
            service_ports(spec)
        };
        #[cfg(feature = "local")]
        if let Some(running) = self.place.here() {
            let ports = ports.into_iter().map(|(port, _)| port);
            running.serve(spec.name.as_str(), ports, self.report).await;
            return Ok(None);
        }
        let Cluster {
            client, namespace, ..
        } = cluster;
        let targets: Vec<_> = ports
            .into_iter()
            .map(|(port, pod)| forward::Target {
                port: port.clone(),
                pod,
            })
            .collect();
        let selector = service_selector(spec);
        let forward = forward::serve(client, namespace, &selector, &targets, self.report).await?;
        Ok(Some(forward))
    }

    /// Whether to follow the logs until Ctrl-C.
    fn stays(&self) -> bool {
        if self.is_here() {
            return true;
        }
        let Up {
            detach,
            follow,
            port_forward,
            ..
        } = *self.options;
        !detach && (follow || port_forward || std::io::stdout().is_terminal())
    }

    /// What the first Ctrl-C does.
    async fn interrupted(&self, cluster: &Cluster) -> Result<Exit, Error> {
        self.report.clear();
        let name = &self.spec().name;
        #[cfg(feature = "local")]
        if let Some(running) = self.place.here() {
            running.stop().await;
            self.report.event(Event::note(format!(
                "{name} has ended, and the embedded cluster with it"
            )));
            return Ok(Exit::Interrupted);
        }
        if !self.armed.load(Ordering::SeqCst) {
            self.report.event(Event::note(
                "interrupted before anything was deployed; nothing was changed",
            ));
            return Ok(Exit::Interrupted);
        }
        if self.spec().on_exit == OnExit::Detach {
            self.report.event(Event::note(format!(
                "{name} stays deployed; `-- metaparticle down` deletes it"
            )));
            return Ok(Exit::Interrupted);
        }
        let deleted = tokio::time::timeout(CLEANUP, async {
            match self.run.get() {
                Some(run) => delete_run(cluster, name.as_str(), run, self.report).await,
                None => down(cluster, name.as_str(), self.report).await.map(drop),
            }
        });
        match deleted.await {
            Ok(result) => result?,
            Err(_) => self.report.event(Event::warning(format!(
                "{name} was not gone within {} s; `-- metaparticle down` goes on with it",
                CLEANUP.as_secs()
            ))),
        }
        Ok(Exit::Interrupted)
    }
}

/// Deletes the Job of one run, with its pods. Other runs and what they share stay.
async fn delete_run(
    cluster: &Cluster,
    app: &str,
    run: &str,
    report: &Report,
) -> Result<(), apply::Error> {
    let job = ApiResource::from_gvk(&GroupVersionKind::gvk("batch", "v1", "Job"));
    let id = set::Id::of(app, &cluster.namespace);
    let Some(found) = delete::look(cluster, &job, run).await? else {
        return Ok(());
    };
    let found = Live::new(&job, &found);
    let ours = found.part_of.as_deref() == Some(id.as_str());
    let label = (set::PART_OF, &id);
    if ours && delete::delete(cluster, &job, label, &found, PropagationPolicy::Background).await? {
        report.event(Event::Deleted {
            kind: job.kind,
            name: run.to_owned(),
        });
    }
    Ok(())
}

/// Generated manifests for this run: the Job's name, the program's arguments, and nodes that can run the image.
fn adapted(
    mut manifests: Vec<Value>,
    run: Option<&str>,
    args: &[String],
    platform: Option<Platform>,
) -> Vec<Value> {
    if let Some((run, job)) = run.zip(run::job(&mut manifests)) {
        job["metadata"]["name"] = run.into();
    }
    append_args(&mut manifests, args);
    // The image is for one processor, whatever nodes there are at the moment.
    if let Some(Platform { arch, .. }) = platform {
        let pods = manifests
            .iter_mut()
            .filter_map(|manifest| manifest.pointer_mut("/spec/template/spec"));
        for pod in pods {
            pod["nodeSelector"]["kubernetes.io/arch"] = arch.oci().into();
        }
    }
    manifests
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{build::Arch, fixture},
        *,
    };

    fn job() -> Vec<Value> {
        let mut spec = fixture::spec("batch");
        spec.ports.clear();
        spec.workload =
            serde_json::from_value(json!({"job": {"completions": 1, "parallelism": 1}})).unwrap();
        manifests(&spec, "image")
    }

    #[test]
    fn a_run_names_the_job_and_nothing_else() {
        let adapted = adapted(job(), Some("batch-abcde"), &[], None);
        let names: Vec<(&str, &str)> = adapted
            .iter()
            .map(|it| {
                (
                    it["kind"].as_str().unwrap(),
                    it["metadata"]["name"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(names, [("ServiceAccount", "batch"), ("Job", "batch-abcde")]);
    }

    #[test]
    fn arguments_reach_the_container() {
        let adapted = adapted(job(), None, &["--fast".into()], None);
        let container = &adapted[1]["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["args"], json!(["--fast"]));
    }

    #[test]
    fn pods_are_kept_on_nodes_of_the_image_whatever_nodes_there_are_now() {
        let selector = |mixed| {
            let platform = Platform {
                arch: Arch::Arm64,
                mixed,
            };
            adapted(job(), None, &[], Some(platform))[1]["spec"]["template"]["spec"]["nodeSelector"]
                .clone()
        };
        assert_eq!(selector(true), json!({"kubernetes.io/arch": "arm64"}));
        assert_eq!(selector(false), selector(true));
    }
}
