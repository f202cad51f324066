//! The embedded cluster as a target: started by `up`, found by the other commands, ended with the process.

mod claim;
mod error;
mod folder;

use std::{net::SocketAddr, time::Duration};

use kube::config::Kubeconfig;
use metaparticle_local::{Cluster, Program};
use metaparticle_spec::{AppSpec, Port, Protocol};

use self::claim::Claim;
pub(crate) use self::error::Error;
use super::{
    report::{Event, Report},
    target::Chosen,
};

/// Name of its context.
pub(super) const CONTEXT: &str = "metaparticle-local";
/// How long a job waits before it tries again, first. Whoever sits before it does not want to wait 10 s.
const JOB_BACKOFF: Duration = Duration::from_secs(1);
/// How long programs are given to end by themselves.
const GRACE: Duration = Duration::from_millis(700);

/// The embedded cluster of this process.
#[derive(Debug)]
pub(super) struct Running {
    cluster: Cluster,
    /// How to reach it, as any other cluster.
    pub(super) chosen: Chosen,
    /// What pods name as their image: this program.
    pub(super) image: String,
    _claim: Claim,
}

impl Running {
    /// Starts it for one application, with this executable as the only program.
    pub(super) async fn start(
        spec: &AppSpec,
        namespace: String,
        report: &Report,
    ) -> Result<Self, Error> {
        let folder = folder::of(spec.name.as_str())?;
        let claim = Claim::take(&folder, spec.name.as_str())?;
        let kubeconfig = folder.join("kubeconfig");
        let path = std::env::current_exe().map_err(|source| Error::Executable { source })?;
        let image = format!("metaparticle.local/{}:{}", spec.name, spec.tag);
        super::install_crypto_provider();
        let cluster = Cluster::builder()
            .program(
                image.as_str(),
                Program {
                    path,
                    ..Program::default()
                },
            )
            .listen(kubeconfig.as_path())
            // Claimed: what a killed predecessor left there is nobody's.
            .folder(folder.as_path())
            .job_backoff(JOB_BACKOFF)
            .start()
            .await
            .map_err(|source| Error::Start {
                source: source.into(),
            })?;
        let text = cluster.kubeconfig().unwrap_or_default();
        let read = Kubeconfig::from_yaml(&text).map_err(|error| error.to_string());
        let chosen = chosen(
            read.map_err(|message| Error::Kubeconfig {
                path: kubeconfig.clone(),
                message,
            })?,
            namespace,
        );
        report.event(Event::note(format!(
            "the embedded cluster runs in this process and ends with it; a real one is chosen by METAPARTICLE_CONTEXT \
             or `-- metaparticle up --context NAME`. kubectl --kubeconfig {}",
            kubeconfig.display()
        )));
        if !cluster.has_pod_addresses() {
            report.event(Event::warning(
                "this machine does not allow an address for each pod, so replicas that bind the same port collide; \
                 `metaparticle::listen(port)` works here, too. What binds 0.0.0.0 is reached from the network",
            ));
        }
        Ok(Self {
            cluster,
            chosen,
            image,
            _claim: claim,
        })
    }

    /// Where the TCP ports of the program's Service are reached on this machine.
    pub(super) async fn serve(
        &self,
        service: &str,
        ports: impl Iterator<Item = &Port>,
        report: &Report,
    ) {
        for port in ports.filter(|port| port.protocol == Protocol::Tcp) {
            let number = port.number.get();
            let address: SocketAddr = self
                .cluster
                .service(&self.chosen.namespace, service, number)
                .await;
            if address.port() != number {
                let why = if self.cluster.has_pod_addresses() {
                    "is taken on this machine"
                } else {
                    "is the pods' own"
                };
                report.event(Event::note(format!(
                    "port {number} {why}, so the Service has another"
                )));
            }
            report.event(Event::Forwarded {
                port: number,
                url: format!("http://{address}"),
            });
        }
    }

    /// Ends all programs, within a second.
    pub(super) async fn stop(&self) {
        self.cluster.stop(GRACE).await;
    }
}

/// The embedded cluster that another process runs for this application.
pub(super) fn find(spec: &AppSpec, namespace: String) -> Result<Chosen, Error> {
    let app = spec.name.as_str();
    let folder = folder::of(app)?;
    if !claim::is_taken(&folder) {
        return Err(Error::NotRunning {
            app: app.to_owned(),
        });
    }
    let path = folder.join("kubeconfig");
    if !path.exists() {
        return Err(Error::Starting {
            app: app.to_owned(),
        });
    }
    let kubeconfig = Kubeconfig::read_from(&path).map_err(|error| Error::Kubeconfig {
        path,
        message: error.to_string(),
    })?;
    Ok(chosen(kubeconfig, namespace))
}

fn chosen(kubeconfig: Kubeconfig, namespace: String) -> Chosen {
    let server = kubeconfig
        .clusters
        .first()
        .and_then(|it| it.cluster.as_ref()?.server.clone());
    Chosen {
        context: CONTEXT.into(),
        server: server.unwrap_or_default(),
        namespace,
        why: "no context is named, so the embedded cluster has",
        proxy: None,
        kubeconfig,
    }
}
