//! What must never happen: another cluster than the one that was named, and anything after a Ctrl-C that came first.
//!
//! Each test runs a real program with a deployer in it, and a kubeconfig that leads to sockets of the test.

use std::{
    net::TcpListener,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use metaparticle::testing::Cluster;
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt as _,
    process::Command,
    time::{sleep, timeout},
};

const SERVICE: &str = env!("CARGO_BIN_EXE_suite-service");
const NOWHERE: &str = env!("CARGO_BIN_EXE_suite-nowhere");
const LIMIT: Duration = Duration::from_secs(20);

/// A program with an environment of its own.
fn program(path: &str, kubeconfig: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command
        .args(arguments)
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(mut command: Command) -> Output {
    timeout(LIMIT, command.output())
        .await
        .expect("ends in time")
        .expect("starts")
}

fn stderr(output: &Output) -> String {
    // Long lines are wrapped for the terminal.
    let text = String::from_utf8_lossy(&output.stderr);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A kubeconfig with one context, which is also the current one.
fn write_kubeconfig(path: &Path, context: &str, server: &str) {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
    });
    std::fs::write(path, kubeconfig.to_string()).expect("written");
}

/// An embedded cluster with a namespace `shop`, which is that of the kubeconfig's one context, `near`.
async fn near(kubeconfig: &Path) -> Cluster {
    let builder = Cluster::builder().without_controllers();
    let cluster = builder.listen(kubeconfig).start().await.expect("starts");
    create(
        &cluster,
        "/api/v1/namespaces",
        &json!({"metadata": {"name": "shop"}}),
    )
    .await;
    let text = cluster.kubeconfig().expect("it listens");
    let text = text.replace("metaparticle-local", "near");
    let text = text.replace("namespace: default", "namespace: shop");
    std::fs::write(kubeconfig, text).expect("written");
    cluster
}

async fn create(cluster: &Cluster, path: &str, object: &Value) {
    let request = http::Request::post(path).body(object.to_string().into_bytes());
    let created: Result<Value, _> = cluster.client().request(request.expect("valid")).await;
    created.expect("created");
}

/// Methods of the requests that came over the network, reads apart.
fn writes(cluster: &Cluster) -> Vec<&'static str> {
    let asked = cluster
        .requests()
        .into_iter()
        .filter(|it| it.client == "https");
    asked
        .map(|it| it.verb)
        .filter(|verb| !matches!(*verb, "get" | "list" | "watch"))
        .collect()
}

/// A socket that nobody may connect to.
struct Trap(TcpListener);

impl Trap {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener
            .set_nonblocking(true)
            .expect("a mode of every socket");
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("an address"))
    }

    fn assert_untouched(&self) {
        let error = self.0.accept().expect_err("nobody connected");
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[tokio::test]
async fn without_a_named_target_nobody_is_contacted() {
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("config");
    let trap = Trap::new();
    write_kubeconfig(&kubeconfig, "production", &trap.url());
    let port = trap.0.local_addr().unwrap().port().to_string();
    for (arguments, exit, said) in [
        // The program ends at once, which is a crash of a service: on the embedded cluster, and nowhere else.
        (&[][..], 1, "in context metaparticle-local"),
        (&["metaparticle", "down"], 2, "METAPARTICLE_CONTEXT"),
        (&["metaparticle", "status"], 2, "METAPARTICLE_CONTEXT"),
        (&["metaparticle", "logs"], 2, "METAPARTICLE_CONTEXT"),
    ] {
        let mut command = program(SERVICE, &kubeconfig, arguments);
        // As inside a pod.
        command
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env("KUBERNETES_SERVICE_PORT", &port);
        let output = run(command).await;
        assert_eq!(output.status.code(), Some(exit), "{}", stderr(&output));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        trap.assert_untouched();
    }
}

#[tokio::test]
async fn an_unknown_context_is_not_replaced_by_another() {
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("config");
    let trap = Trap::new();
    write_kubeconfig(&kubeconfig, "production", &trap.url());
    let arguments = ["metaparticle", "up", "--context", "prodction"];
    let output = run(program(SERVICE, &kubeconfig, &arguments)).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("did you mean `production`?"),
        "{}",
        stderr(&output)
    );
    trap.assert_untouched();
}

#[tokio::test]
async fn a_kubeconfig_that_changes_under_a_running_command_does_not_change_its_target() {
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("config");
    let cluster = near(&kubeconfig).await;
    let before = cluster.requests().len();
    cluster.faults().partition("https");
    let mut command = program(SERVICE, &kubeconfig, &["metaparticle", "down"]);
    command.env("METAPARTICLE_CONTEXT", "near");
    let running = tokio::spawn(run(command));

    let arrived = async {
        while cluster.requests().len() == before {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, arrived).await.unwrap();
    let trap = Trap::new();
    write_kubeconfig(&kubeconfig, "near", &trap.url());
    cluster.faults().heal("https");

    let output = running.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        cluster.requests().len() > before + 1,
        "requests were sent after the change"
    );
    trap.assert_untouched();
}

#[tokio::test]
async fn ctrl_c_before_anything_was_created_deletes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("config");
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    write_kubeconfig(&kubeconfig, "near", &url);
    let mut command = program(SERVICE, &kubeconfig, &[]);
    command.env("METAPARTICLE_CONTEXT", "near");
    let child = command.spawn().unwrap();
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();

    // It asks, and gets no answer.
    let (mut connection, _) = timeout(LIMIT, server.accept()).await.unwrap().unwrap();
    let mut method = [0; 4];
    connection.read_exact(&mut method).await.unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();

    let output = timeout(LIMIT, child.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("nothing was changed"),
        "{}",
        stderr(&output)
    );
    assert_eq!(&method, b"GET ");
    let mut rest = Vec::new();
    connection.read_to_end(&mut rest).await.unwrap();
    assert!(!String::from_utf8_lossy(&rest).contains("DELETE"));
}

#[tokio::test]
async fn a_name_collision_is_refused_before_anything_is_built_or_written() {
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("config");
    let cluster = near(&kubeconfig).await;
    let service = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}});
    create(&cluster, "/api/v1/namespaces/shop/services", &service).await;
    // There is no cargo in this environment: a build would fail in another way.
    let output = run(program(
        SERVICE,
        &kubeconfig,
        &["metaparticle", "up", "--context", "near"],
    ))
    .await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("Service/web exists"),
        "{}",
        stderr(&output)
    );
    assert_eq!(writes(&cluster), [""; 0]);
}

#[tokio::test]
async fn without_a_repository_nobody_is_contacted() {
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("config");
    let trap = Trap::new();
    write_kubeconfig(&kubeconfig, "near", &trap.url());
    let arguments = ["metaparticle", "up", "--context", "near"];
    let output = run(program(NOWHERE, &kubeconfig, &arguments)).await;
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("METAPARTICLE_REPOSITORY"),
        "{}",
        stderr(&output)
    );
    trap.assert_untouched();
}

#[tokio::test]
async fn a_namespace_that_is_none_is_refused_before_anybody_is_contacted() {
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("config");
    let trap = Trap::new();
    write_kubeconfig(&kubeconfig, "near", &trap.url());
    let arguments = ["metaparticle", "down", "--context", "near"];
    let mut command = program(SERVICE, &kubeconfig, &arguments);
    command.env("METAPARTICLE_NAMESPACE", "shop/../kube-system");
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("METAPARTICLE_NAMESPACE"),
        "{}",
        stderr(&output)
    );
    trap.assert_untouched();
}

#[tokio::test]
async fn json_output_is_json_and_nothing_else_also_for_errors() {
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("absent");
    let mut command = program(SERVICE, &kubeconfig, &["metaparticle", "status"]);
    command.env("METAPARTICLE_OUTPUT", "json");
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let [line] = stdout.lines().collect::<Vec<_>>()[..] else {
        panic!("one line: {stdout}");
    };
    let event: Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&event["event"], &event["exitCode"]),
        (&json!("failed"), &json!(2))
    );
}

#[tokio::test]
async fn rendered_files_are_up_to_date_until_one_is_edited() {
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path().join("deploy");
    let absent = directory.path().join("absent");
    let render = |option: &'static str| {
        let arguments = ["metaparticle", "render", option, files.to_str().unwrap()];
        run(program(SERVICE, &absent, &arguments))
    };
    assert_eq!(render("--out").await.status.code(), Some(0));
    assert_eq!(render("--check").await.status.code(), Some(0));
    let manifests = files.join("manifests.yaml");
    let edited = std::fs::read_to_string(&manifests)
        .unwrap()
        .replace("replicas: 2", "replicas: 3");
    std::fs::write(&manifests, edited).unwrap();
    let stale = render("--check").await;
    assert_eq!(stale.status.code(), Some(1));
    let text = stderr(&stale);
    assert!(
        text.contains("manifests.yaml") && text.contains("- replicas: 3"),
        "{text}"
    );
}
