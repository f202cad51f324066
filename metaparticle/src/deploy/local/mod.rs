//! The embedded cluster as a target: started by `up`, found by the other commands, ended with the process.

mod claim;
mod error;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

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
        let folder = folder(spec.name.as_str())?;
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
            .start()
            .await
            .map_err(|source| Error::Start {
                source: source.into(),
            })?;
        let chosen = chosen(&kubeconfig, namespace)?;
        report.event(Event::note(format!(
            "the embedded cluster runs in this process and ends with it; a real one is chosen by METAPARTICLE_CONTEXT \
             or `-- metaparticle up --context NAME`. kubectl --kubeconfig {}",
            kubeconfig.display()
        )));
        if !cluster.has_pod_addresses() {
            report.event(Event::warning(
                "this machine does not allow an address for each pod, so replicas that bind the same port collide; \
                 `metaparticle::listen(port)` works here, too",
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
    pub(super) async fn serve(&self, service: &str, ports: &[Port], report: &Report) {
        for port in ports.iter().filter(|port| port.protocol == Protocol::Tcp) {
            let number = port.number.get();
            let address: SocketAddr = self
                .cluster
                .service(&self.chosen.namespace, service, number)
                .await;
            if address.port() != number {
                report.event(Event::note(format!(
                    "port {number} of this machine is taken, so another is used"
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
    let folder = folder(app)?;
    if !claim::is_taken(&folder) {
        return Err(Error::NotRunning {
            app: app.to_owned(),
        });
    }
    chosen(&folder.join("kubeconfig"), namespace)
}

fn chosen(path: &std::path::Path, namespace: String) -> Result<Chosen, Error> {
    let kubeconfig = Kubeconfig::read_from(path).map_err(|error| Error::Kubeconfig {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    let server = kubeconfig
        .clusters
        .first()
        .and_then(|it| it.cluster.as_ref()?.server.clone());
    Ok(Chosen {
        context: CONTEXT.into(),
        server: server.unwrap_or_default(),
        namespace,
        why: "no context is named, so the embedded cluster has",
        proxy: None,
        kubeconfig,
    })
}

/// Where the kubeconfig of an application's cluster is: in the target directory of this executable, else among the
/// temporary files.
fn folder(app: &str) -> Result<PathBuf, Error> {
    let executable = std::env::current_exe().map_err(|source| Error::Executable { source })?;
    let target = executable
        .ancestors()
        .find(|it| it.join("CACHEDIR.TAG").is_file());
    let base = target.map_or_else(std::env::temp_dir, PathBuf::from);
    Ok(base.join("metaparticle").join("local").join(app))
}
