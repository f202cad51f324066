//! The programs that a cluster has once: etcd, the API server, the controller
//! manager, the scheduler, kube-proxy and the name server.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use super::certificates::file;
use super::error::{self, Error};
use super::layout::{API_PORT, Node, POD_RANGE, SERVICE_RANGE, home, kubeconfig, kubectl};
use super::state::{self, State};
use super::{kubeconfig, process, wait};
use crate::command;

/// The names under which the one program is called.
const PROGRAMS: [&str; 7] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
];

/// Gives each program its name in `bin`.
///
/// # Errors
/// When a link cannot be made.
pub(super) fn link_programs(kubernetes: &Path, coredns: &Path) -> Result<(), Error> {
    let bin = home("bin");
    fs::create_dir_all(&bin).map_err(error::file("create", &bin))?;
    let all = PROGRAMS.iter().map(|name| (*name, kubernetes));
    for (name, program) in all.chain([("coredns", coredns)]) {
        symlink(program, bin.join(name)).map_err(error::file("create", bin.join(name)))?;
    }
    Ok(())
}

/// Starts etcd and the API server and waits until it is ready.
///
/// # Errors
/// When one cannot be started or is not ready in time.
pub(super) fn start_api_server(state: &mut State) -> Result<(), Error> {
    start("etcd", &etcd(), state)?;
    start("kube-apiserver", &api_server(), state)?;
    kubeconfig::write(&kubeconfig(), "admin")?;
    wait::until("the API server", Duration::from_secs(90), state, || {
        ask(["get", "--raw", "/readyz"]).is_ok_and(|answer| answer == "ok")
    })
}

/// Starts what talks to the API server.
///
/// # Errors
/// When a file cannot be written or a program cannot be started.
pub(super) fn start_controllers(state: &mut State) -> Result<(), Error> {
    let identity = |user: &str| {
        let path = home(format!("{user}.kubeconfig"));
        kubeconfig::write(&path, user)?;
        Ok::<_, Error>(path.to_string_lossy().into_owned())
    };
    start(
        "kube-controller-manager",
        &controller_manager(&identity("controller-manager")?),
        state,
    )?;
    start("kube-scheduler", &scheduler(&identity("scheduler")?), state)?;
    let configuration = home("kube-proxy.json");
    state::write(&configuration, &proxy(&identity("proxy")?).to_string())?;
    start(
        "kube-proxy",
        &[format!("--config={}", configuration.display())],
        state,
    )?;
    let corefile = home("Corefile");
    state::write(&corefile, &name_server(&identity("coredns")?))?;
    start(
        "coredns",
        &["-conf".to_owned(), corefile.to_string_lossy().into_owned()],
        state,
    )
}

/// Waits until nodes, services, names and service accounts work.
///
/// # Errors
/// When one of them does not in time.
pub(super) fn finish(state: &State) -> Result<(), Error> {
    let limit = Duration::from_secs(90);
    wait::until("the nodes", limit, state, || {
        ready_nodes() == usize::from(state.nodes)
    })?;
    wait::until("kube-proxy", limit, state, || {
        wait::answers("127.0.0.1:10256", "/healthz")
    })?;
    let names = format!("{}:8181", Node::first().address());
    wait::until("the name server", limit, state, || {
        wait::answers(&names, "/ready")
    })?;
    wait::until("the default service account", limit, state, || {
        ask(["get", "serviceaccount", "default"]).is_ok()
    })
}

/// How many nodes are ready.
pub(super) fn ready_nodes() -> usize {
    let path = "jsonpath={.items[*].status.conditions[?(@.type==\"Ready\")].status}";
    let answer = ask(["get", "nodes", "--output", path]).unwrap_or_default();
    answer
        .split_whitespace()
        .filter(|status| *status == "True")
        .count()
}

/// Runs the cluster's own kubectl as the administrator.
///
/// # Errors
/// When it fails.
pub(super) fn ask<const N: usize>(arguments: [&str; N]) -> Result<String, Error> {
    let mut command = command::command(&kubectl().to_string_lossy(), arguments);
    command
        .arg("--kubeconfig")
        .arg(kubeconfig())
        .arg("--cache-dir")
        .arg(home("kubectl-cache"))
        .arg("--request-timeout=5s");
    Ok(command::output(&mut command)?)
}

fn start(name: &str, arguments: &[String], state: &mut State) -> Result<(), Error> {
    let program = home("bin").join(name);
    let process = process::start(name, &program, arguments.iter().map(String::as_str))?;
    state.add(process)
}

fn etcd() -> Vec<String> {
    let (client, peer) = ("http://127.0.0.1:2379", "http://127.0.0.1:2380");
    vec![
        "--name=test".to_owned(),
        format!("--data-dir={}", home("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=test={peer}"),
        // Nothing has to survive the machine.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn api_server() -> Vec<String> {
    vec![
        "--etcd-servers=http://127.0.0.1:2379".to_owned(),
        "--bind-address=0.0.0.0".to_owned(),
        format!("--secure-port={API_PORT}"),
        // Pods come by the service's address and end up here.
        format!("--advertise-address={}", Node::first().address()),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        "--allow-privileged=true".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        format!("--cert-dir={}", home("certificates").display()),
        format!("--client-ca-file={}", file("ca.crt")),
        format!("--tls-cert-file={}", file("apiserver.crt")),
        format!("--tls-private-key-file={}", file("apiserver.key")),
        format!("--kubelet-certificate-authority={}", file("ca.crt")),
        format!(
            "--kubelet-client-certificate={}",
            file("apiserver-to-kubelet.crt")
        ),
        format!("--kubelet-client-key={}", file("apiserver-to-kubelet.key")),
        // Nobody resolves the nodes' names.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", file("service-account.key")),
        format!(
            "--service-account-signing-key-file={}",
            file("service-account.key")
        ),
    ]
}

fn controller_manager(identity: &str) -> Vec<String> {
    let mut all = client(identity);
    all.extend([
        "--use-service-account-credentials=true".to_owned(),
        format!("--root-ca-file={}", file("ca.crt")),
        format!(
            "--service-account-private-key-file={}",
            file("service-account.key")
        ),
        format!("--cluster-signing-cert-file={}", file("ca.crt")),
        format!("--cluster-signing-key-file={}", file("ca.key")),
        format!(
            "--cert-dir={}",
            home("certificates/controller-manager").display()
        ),
    ]);
    all
}

fn scheduler(identity: &str) -> Vec<String> {
    let mut all = client(identity);
    all.push(format!(
        "--cert-dir={}",
        home("certificates/scheduler").display()
    ));
    all
}

fn client(identity: &str) -> Vec<String> {
    vec![
        format!("--kubeconfig={identity}"),
        format!("--authentication-kubeconfig={identity}"),
        format!("--authorization-kubeconfig={identity}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--leader-elect=false".to_owned(),
    ]
}

/// One for all nodes: they share the machine's network.
fn proxy(identity: &str) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": identity},
        "hostnameOverride": Node::first().name(),
        "mode": "nftables",
        "clusterCIDR": POD_RANGE,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        // The machine's connection tracking stays as it is.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    })
}

fn name_server(identity: &str) -> String {
    let address = Node::first().address();
    format!(
        ". {{
    bind {address}
    errors
    ready {address}:8181
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {identity}
        ttl 5
    }}
}}
"
    )
}
