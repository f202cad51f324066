//! One look at a container: HTTP, TCP or a command.

use std::{io, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use futures::future;
use k8s_openapi::{
    api::core::v1::{Container, HTTPGetAction, Probe, TCPSocketAction},
    apimachinery::pkg::util::intstr::IntOrString,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::node::{
    environment::Variables,
    ports::Ports,
    process::{Own, Plan, Spawner},
    program,
};

/// How much is read of what a command prints, or of a status line.
const MOST: usize = 10 * 1024;

/// How a container is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// GET; 200 to 399 is good.
    Http(Http),
    /// A connection; by host, if not the pod's, and port.
    Tcp(Option<String>, u16),
    /// A command; 0 is good.
    Exec(Vec<String>),
}

/// What to GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Http {
    host: Option<String>,
    port: u16,
    path: String,
    headers: Vec<(String, String)>,
}

/// Where the processes of a container run.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) spawner: Arc<Spawner>,
    pub(crate) env: Variables,
    pub(crate) folder: PathBuf,
    /// The pod's address.
    pub(crate) ip: IpAddr,
    /// The address that wildcard `bind`s go to.
    pub(crate) own: Option<Own>,
    pub(crate) uid: String,
    /// Where the pod's ports are.
    pub(crate) ports: Ports,
}

impl Check {
    /// What a probe looks at; `None` if the port is not one of the container's.
    pub(super) fn of(probe: &Probe, container: &Container) -> Option<Self> {
        if let Some(action) = &probe.http_get {
            return http_get(action, container).map(Self::Http);
        }
        if let Some(TCPSocketAction { host, port: named }) = &probe.tcp_socket {
            return Some(Self::Tcp(host.clone(), number(named, container)?));
        }
        let command = probe.exec.as_ref()?.command.clone();
        Some(Self::Exec(command.unwrap_or_default()))
    }

    /// Looks; an error says why it is not good, in the kubelet's words.
    pub(crate) async fn run(&self, inside: &Inside) -> Result<(), String> {
        match self {
            Self::Http(http) => http.get(inside).await,
            Self::Tcp(host, port) => connect(host.as_deref(), *port, inside).await.map(drop),
            Self::Exec(command) => inside.exec(command).await,
        }
    }

    /// What to say when it took too long.
    pub(super) fn timed_out(&self, inside: &Inside, patience: Duration) -> String {
        match self {
            Self::Http(http) => {
                let url = http.url(inside);
                format!(
                    "Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
                )
            }
            Self::Tcp(host, port) => {
                let address = address(host.as_deref(), *port, inside);
                format!("dial tcp {address}: i/o timeout")
            }
            Self::Exec(command) => {
                let seconds = patience.as_secs();
                format!("command timed out: {command:?} timed out after {seconds}s")
            }
        }
    }
}

/// What an action GETs; `None` if its port is not one of the container's.
pub(crate) fn http_get(action: &HTTPGetAction, container: &Container) -> Option<Http> {
    let headers = action.http_headers.iter().flatten();
    let path = action.path.as_deref().unwrap_or_default();
    Some(Http {
        host: action.host.clone().filter(|it| !it.is_empty()),
        port: number(&action.port, container)?,
        path: format!("/{}", path.strip_prefix('/').unwrap_or(path)),
        headers: headers
            .map(|it| (it.name.clone(), it.value.clone()))
            .collect(),
    })
}

/// The number of a port by name or number, as the container has it.
fn number(named: &IntOrString, container: &Container) -> Option<u16> {
    let number = match named {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            ports
                .find(|it| it.name.as_ref() == Some(name))?
                .container_port
        }
    };
    u16::try_from(number).ok()
}

impl Http {
    /// Asks, and judges the answer.
    pub(crate) async fn get(&self, inside: &Inside) -> Result<(), String> {
        let failed = |why: &str| format!("Get \"{}\": {why}", self.url(inside));
        let stream = connect(self.host.as_deref(), self.port, inside).await;
        let mut stream = BufReader::new(stream.map_err(|why| failed(&why))?);
        let answer = async {
            stream.write_all(self.request(inside).as_bytes()).await?;
            let mut line = String::new();
            (&mut stream).take(MOST as u64).read_line(&mut line).await?;
            io::Result::Ok(line)
        };
        let line = answer.await.map_err(|error| failed(&error.to_string()))?;
        match status(&line) {
            Some(200..=399) => Ok(()),
            Some(code) => Err(format!("HTTP probe failed with statuscode: {code}")),
            None if line.is_empty() => Err(failed("EOF")),
            None => Err(failed(&format!("malformed HTTP response {line:?}"))),
        }
    }

    fn url(&self, inside: &Inside) -> String {
        let address = address(self.host.as_deref(), self.port, inside);
        format!("http://{address}{}", self.path)
    }

    fn request(&self, inside: &Inside) -> String {
        let mut request = format!("GET {} HTTP/1.1\r\n", self.path);
        let mut add = |name: &str, value: &str| {
            let is_clean = |text: &str| !text.contains(['\r', '\n']);
            if is_clean(name) && is_clean(value) {
                request.extend([name, ": ", value, "\r\n"]);
            }
        };
        let has = |name: &str| {
            self.headers
                .iter()
                .any(|it| it.0.eq_ignore_ascii_case(name))
        };
        if !has("Host") {
            add("Host", &address(self.host.as_deref(), self.port, inside));
        }
        if !has("User-Agent") {
            add("User-Agent", "kube-probe/1.36");
        }
        if !has("Accept") {
            add("Accept", "*/*");
        }
        add("Connection", "close");
        for (name, value) in &self.headers {
            add(name, value);
        }
        request + "\r\n"
    }
}

/// The code in `HTTP/1.1 200 OK`.
fn status(line: &str) -> Option<u16> {
    let mut words = line.split(' ');
    words.next()?.strip_prefix("HTTP/1.")?;
    words.next()?.trim_end().parse().ok()
}

fn address(host: Option<&str>, port: u16, inside: &Inside) -> String {
    let port = inside.ports.actual(&inside.uid, port);
    match host {
        Some(host) => format!("{host}:{port}"),
        None => format!("{}:{port}", inside.ip),
    }
}

async fn connect(host: Option<&str>, port: u16, inside: &Inside) -> Result<TcpStream, String> {
    let address = address(host, port, inside);
    let stream = TcpStream::connect(&address).await;
    let stream = stream.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("dial tcp {address}: connect: connection refused")
        }
        _ => format!("dial tcp {address}: {error}"),
    })?;
    if host.is_none() && inside.is_answered_by_another(port) {
        return Err(format!(
            "dial tcp {address}: the pod does not listen there; another program of this machine does, on all addresses"
        ));
    }
    Ok(stream)
}

impl Inside {
    /// Whether what answers at this port of the pod is not the pod.
    #[cfg(target_os = "linux")]
    fn is_answered_by_another(&self, port: u16) -> bool {
        let actual = self.ports.actual(&self.uid, port);
        let own = self.own.as_ref();
        own.is_some_and(|own| own.is_answered_by_another(actual))
    }

    /// Elsewhere pods have no addresses of their own.
    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, reason = "as on Linux")]
    fn is_answered_by_another(&self, _: u16) -> bool {
        false
    }

    /// Runs a command as if in the container; an error is what it printed.
    pub(crate) async fn exec(&self, command: &[String]) -> Result<(), String> {
        let [word, ..] = command else {
            return Err("no command".to_owned());
        };
        let path = self.env.get("PATH").map_or("", String::as_str);
        let plan = Plan {
            path: program::find(word, path, &self.folder)?,
            args: command.iter().map(Into::into).collect(),
            env: self
                .env
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            folder: self.folder.clone(),
        };
        let started = self.spawner.start(plan, self.own.clone()).await;
        let mut process = started.map_err(|error| format!("exec: {word:?}: {error}"))?;
        let mut printed = Vec::new();
        let (out, err) = (process.stdout.take(), process.stderr.take());
        if let (Some(out), Some(err)) = (out, err) {
            let (out, err) = future::join(first_of(out), first_of(err)).await;
            printed = [out, err].concat();
            printed.truncate(MOST);
        }
        if process.exit.wait().await.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&printed).into_owned())
        }
    }
}

/// Reads to the end, so that nobody who writes is stopped; keeps the first [`MOST`].
async fn first_of(mut output: impl AsyncRead + Unpin) -> Vec<u8> {
    let (mut first, mut buffer) = (Vec::new(), vec![0; 4096]);
    while let Ok(got @ 1..) = output.read(&mut buffer).await {
        first.extend_from_slice(&buffer[..got.min(MOST - first.len())]);
    }
    first
}

#[cfg(test)]
mod tests;
