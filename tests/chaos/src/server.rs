//! An etcd and an API server of the suite's own, so that they may be stopped: from the same program as the test
//! cluster's, on free ports, in a folder that ends with them.

use std::{
    fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::{api::Api, upstream::Upstream};

/// Who the proxies are to the API server.
const TOKEN: &str = "metaparticle-chaos";

/// Both programs, and how to reach them.
#[derive(Debug)]
pub struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    etcd_port: u16,
    port: u16,
    etcd: Child,
    front: Child,
    /// How the proxies reach the API server.
    pub upstream: Upstream,
}

/// Why there is no API server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file, port or process.
    #[error("cannot prepare or start the API server")]
    Start(#[from] io::Error),
    /// Keys or certificates.
    #[error("cannot make the API server's certificates")]
    Certificates(#[from] rcgen::Error),
    /// It did not come up.
    #[error("the API server is not ready after {0:?}: {1}")]
    NotReady(Duration, String),
}

impl Server {
    /// Starts both and waits until they answer. `kubernetes` is the program that has all of Kubernetes in it.
    ///
    /// # Errors
    /// If one cannot be started, or is not ready within two minutes.
    pub async fn start(kubernetes: &Path) -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        let at = folder.path();
        for name in ["etcd", "kube-apiserver"] {
            std::os::unix::fs::symlink(kubernetes, at.join(name))?;
        }
        let authority = certificates(at)?;
        fs::write(
            at.join("tokens"),
            format!("{TOKEN},chaos,1,system:masters\n"),
        )?;
        let (etcd_port, peer_port, port) = (free_port()?, free_port()?, free_port()?);
        fs::write(at.join("peer-port"), peer_port.to_string())?;
        let etcd = etcd(at, etcd_port)?;
        let front = api_server(at, etcd_port, port)?;
        let upstream = Upstream::new(port, &authority, TOKEN).map_err(io::Error::other)?;
        let mut server = Self {
            programs: at.to_owned(),
            folder,
            etcd_port,
            port,
            etcd,
            front,
            upstream,
        };
        server.ready().await?;
        Ok(server)
    }

    /// Where etcd answers.
    #[must_use]
    pub fn etcd(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd_port)
    }

    /// The folder of both, for their logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until the API server says that it is ready.
    ///
    /// # Errors
    /// If it does not within two minutes.
    pub async fn ready(&mut self) -> Result<(), Error> {
        let limit = Duration::from_secs(120);
        let api = Api::new(self.upstream.clone());
        let answers = async {
            while !api.get("/readyz").await.is_ok_and(|it| it.status == 200) {
                if !matches!(self.front.try_wait(), Ok(None)) {
                    return false;
                }
                sleep(Duration::from_millis(100)).await;
            }
            true
        };
        let is_ready = timeout(limit, answers).await.unwrap_or(false);
        is_ready.then_some(()).ok_or_else(|| {
            let log = fs::read_to_string(self.folder.path().join("kube-apiserver.log"));
            let log = log.unwrap_or_default();
            let end: Vec<_> = log.lines().rev().take(5).collect();
            Error::NotReady(limit, end.join("\n"))
        })
    }

    /// Ends the API server, gently or not, and starts it anew at the same address.
    ///
    /// # Errors
    /// If it cannot be started, or is not ready in time.
    pub async fn restart_api_server(&mut self, gently: bool) -> Result<(), Error> {
        signal(
            &self.front,
            if gently { Signal::TERM } else { Signal::KILL },
        );
        if timeout(Duration::from_secs(3), self.front.wait())
            .await
            .is_err()
        {
            self.front.kill().await?;
        }
        self.front = api_server(&self.programs, self.etcd_port, self.port)?;
        self.ready().await
    }

    /// Kills etcd and starts it anew after `pause`.
    ///
    /// # Errors
    /// If it cannot be started, or the API server is not ready in time.
    pub async fn restart_etcd(&mut self, pause: Duration) -> Result<(), Error> {
        self.etcd.kill().await?;
        sleep(pause).await;
        self.etcd = etcd(&self.programs, self.etcd_port)?;
        self.ready().await
    }

    /// Stops etcd where it stands, for `pause`.
    pub async fn pause_etcd(&self, pause: Duration) {
        signal(&self.etcd, Signal::STOP);
        sleep(pause).await;
        signal(&self.etcd, Signal::CONT);
    }

    /// Stops the API server where it stands, for `pause`.
    pub async fn pause_api_server(&self, pause: Duration) {
        signal(&self.front, Signal::STOP);
        sleep(pause).await;
        signal(&self.front, Signal::CONT);
    }
}

/// Sends a signal to a child that was not waited for.
pub fn signal(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|it| i32::try_from(it).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // It may have ended by itself; until it is waited for, nobody else has its number.
        let _ = kill_process(pid, signal);
    }
}

/// A program that ends with this one.
#[must_use]
pub fn command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program)
        .kill_on_drop(true);
    command
}

fn etcd(at: &Path, port: u16) -> io::Result<Child> {
    let client = format!("http://127.0.0.1:{port}");
    let peer = fs::read_to_string(at.join("peer-port"))?;
    let peer = format!("http://127.0.0.1:{peer}");
    let arguments = [
        "--name=chaos".to_owned(),
        format!("--data-dir={}", at.join("data").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=chaos={peer}"),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    start(at, "etcd", &arguments)
}

fn api_server(at: &Path, etcd: u16, port: u16) -> io::Result<Child> {
    let file = |name: &str| at.join(name).display().to_string();
    let arguments = [
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        "--service-cluster-ip-range=10.97.0.0/16".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        format!("--token-auth-file={}", file("tokens")),
        format!("--cert-dir={}", file("certificates")),
        format!("--tls-cert-file={}", file("server.crt")),
        format!("--tls-private-key-file={}", file("server.key")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", file("server.crt")),
        format!("--service-account-signing-key-file={}", file("server.key")),
        // Nobody reads it, and it is the first thing that a restart waits for.
        "--endpoint-reconciler-type=none".to_owned(),
    ];
    start(at, "kube-apiserver", &arguments)
}

fn start(at: &Path, name: &str, arguments: &[String]) -> io::Result<Child> {
    let path = at.join(format!("{name}.log"));
    let log = fs::File::options().create(true).append(true).open(path)?;
    command(&at.join(name))
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Writes the server's key and certificate; returns the authority, as PEM.
fn certificates(at: &Path) -> Result<String, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "metaparticle chaos");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "kube-apiserver");
    params.subject_alt_names = vec![SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;
    fs::write(at.join("server.key"), key.serialize_pem())?;
    fs::write(at.join("server.crt"), certificate.pem())?;
    Ok(authority.pem())
}
