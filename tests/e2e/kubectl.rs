//! kubectl on the embedded cluster: what people type first, with the kubeconfig that it wrote.

use std::{
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    time::timeout,
};

use crate::embedded::Up;

const LIMIT: Duration = Duration::from_secs(60);

struct Kubectl {
    program: String,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// For the embedded cluster of `up`, whose service is ready.
    async fn of(up: &mut Up) -> Self {
        up.address().await;
        let kubeconfig = up
            .folder
            .path()
            .join("metaparticle/local/suite-web/kubeconfig");
        Self {
            program: std::env::var("METAPARTICLE_TEST_KUBECTL").expect("xtask sets it"),
            kubeconfig,
        }
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words.split(' '))
            .env("KUBECONFIG", &self.kubeconfig)
            .kill_on_drop(true);
        command
    }

    async fn run(&self, words: &str) -> Output {
        timeout(LIMIT, self.command(words).output())
            .await
            .expect("in time")
            .expect("runs")
    }

    /// What it prints when it succeeds.
    async fn says(&self, words: &str) -> String {
        let output = self.run(words).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{words}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// What it prints when it fails.
    async fn refuses(&self, words: &str) -> String {
        let output = self.run(words).await;
        assert!(!output.status.success(), "{words}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[tokio::test]
async fn get_shows_the_columns_of_the_real_one() {
    let mut up = Up::web(&[]);
    let kubectl = Kubectl::of(&mut up).await;
    let pods = kubectl.says("get pods").await;
    has(
        &pods,
        &[
            "NAME", "READY", "STATUS", "RESTARTS", "AGE", "1/1", "Running",
        ],
    );
    assert_eq!(pods.lines().count(), 5, "{pods}");
    has(
        &kubectl.says("get pods -o wide").await,
        &["IP", "NODE", "local"],
    );
    has(
        &kubectl.says("get deploy,rs,svc").await,
        &["UP-TO-DATE", "4/4", "DESIRED", "CLUSTER-IP", "8080/TCP"],
    );
    has(
        &kubectl.says("get all").await,
        &["pod/suite-web-", "deployment.apps/suite-web"],
    );
    has(&kubectl.says("get nodes").await, &["local", "Ready"]);
    has(
        &kubectl
            .says("get deploy suite-web -o jsonpath={.status.readyReplicas}")
            .await,
        &["4"],
    );
    has(
        &kubectl.says("api-resources").await,
        &["deployments", "deploy", "apps/v1", "leases"],
    );
    has(&kubectl.says("version").await, &["Server Version: v1.36"]);
}

#[tokio::test]
async fn get_watches_and_scale_is_seen() {
    let mut up = Up::web(&[]);
    let kubectl = Kubectl::of(&mut up).await;
    let mut watch = kubectl
        .command("get deploy suite-web -w")
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(watch.stdout.take().expect("piped")).lines();
    for wanted in ["NAME", "4/4"] {
        let line = timeout(LIMIT, lines.next_line())
            .await
            .expect("in time")
            .expect("readable");
        has(&line.expect("a line"), &[wanted]);
    }
    has(
        &kubectl.says("scale deploy suite-web --replicas=2").await,
        &["scaled"],
    );
    loop {
        let line = timeout(LIMIT, lines.next_line())
            .await
            .expect("in time")
            .expect("readable");
        if line.expect("a line").contains("2/2") {
            break;
        }
    }
    has(
        &kubectl
            .says("wait --for=jsonpath={.status.readyReplicas}=2 deploy/suite-web")
            .await,
        &["condition met"],
    );
}

#[tokio::test]
async fn describe_tells_of_events_and_containers() {
    let mut up = Up::web(&[]);
    let kubectl = Kubectl::of(&mut up).await;
    has(
        &kubectl.says("describe deploy suite-web").await,
        &["RollingUpdate", "4 desired", "ScalingReplicaSet"],
    );
    has(
        &kubectl.says("describe pods").await,
        &["Status:", "Running", "Started", "Readiness:"],
    );
    has(
        &kubectl.says("describe node local").await,
        &["Capacity:", "Non-terminated Pods:"],
    );
    has(
        &kubectl.says("describe svc suite-web").await,
        &["Endpoints:"],
    );
}

#[tokio::test]
async fn a_rollout_is_restarted_followed_and_undone() {
    let mut up = Up::web(&[]);
    let kubectl = Kubectl::of(&mut up).await;
    has(
        &kubectl.says("rollout restart deploy/suite-web").await,
        &["restarted"],
    );
    has(
        &kubectl
            .says("rollout status deploy/suite-web --timeout=60s")
            .await,
        &["successfully rolled out"],
    );
    has(
        &kubectl.says("rollout history deploy/suite-web").await,
        &["1", "2"],
    );
    has(
        &kubectl.says("rollout undo deploy/suite-web").await,
        &["rolled back"],
    );
    has(
        &kubectl
            .says("rollout status deploy/suite-web --timeout=60s")
            .await,
        &["successfully rolled out"],
    );
}

#[tokio::test]
async fn logs_are_shown_and_followed() {
    let mut up = Up::web(&[]);
    let kubectl = Kubectl::of(&mut up).await;
    has(&kubectl.says("logs deploy/suite-web").await, &["listening"]);
    has(
        &kubectl
            .says("logs -l metaparticle.dev/app=suite-web --tail=1 --prefix")
            .await,
        &["[pod/suite-web-"],
    );
    let mut follow = kubectl
        .command("logs -f deploy/suite-web")
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(follow.stdout.take().expect("piped")).lines();
    let line = timeout(LIMIT, lines.next_line())
        .await
        .expect("in time")
        .expect("readable");
    assert_eq!(line.as_deref(), Some("listening"));
}

#[tokio::test]
async fn manifests_are_applied_diffed_and_deleted() {
    let mut up = Up::web(&[]);
    let kubectl = Kubectl::of(&mut up).await;
    let apply = async |text: &str, words: &str| {
        let mut command = kubectl.command(words);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(text.as_bytes()).await.expect("written");
        drop(stdin);
        let output = timeout(LIMIT, child.wait_with_output())
            .await
            .expect("in time")
            .expect("runs");
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    };
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  a: one\n";
    has(
        &apply(map, "apply --server-side -f -").await,
        &["settings serverside-applied"],
    );
    has(&apply(map, "apply -f -").await, &["configmap/settings"]);
    has(
        &apply(&map.replace("one", "two"), "apply -f -").await,
        &["configmap/settings configured"],
    );
    has(
        &apply(&map.replace("\ndata", "\ndate"), "apply --server-side -f -").await,
        &[".date: field not declared in schema"],
    );
    has(&kubectl.says("get cm settings -o yaml").await, &["a: two"]);
    has(&kubectl.says("label cm settings x=y").await, &["labeled"]);
    has(
        &kubectl.says("annotate cm settings x=y").await,
        &["annotated"],
    );
    has(
        &kubectl
            .says("patch cm settings -p {\"data\":{\"b\":\"3\"}}")
            .await,
        &["patched"],
    );
    has(&kubectl.says("delete cm settings").await, &["deleted"]);
    has(&kubectl.refuses("get cm settings").await, &["NotFound"]);
    let other = "apiVersion: v1
kind: Namespace
metadata:
  name: other
";
    has(
        &apply(other, "create -f -").await,
        &["namespace/other created"],
    );
    has(
        &kubectl.says("delete ns other --timeout=30s").await,
        &["deleted"],
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_in_one_sentence() {
    let mut up = Up::web(&[]);
    let kubectl = Kubectl::of(&mut up).await;
    has(
        &kubectl.refuses("exec deploy/suite-web -- true").await,
        &["embedded cluster"],
    );
    // kubectl looks for the schema in what it was given, and does not ask for more.
    has(
        &kubectl.refuses("explain pods").await,
        &["not found in OpenAPI schema"],
    );
    has(
        &kubectl.refuses("get --raw /openapi/v2").await,
        &["embedded cluster"],
    );
    has(
        &kubectl.refuses("create ns typed").await,
        &["embedded cluster reads JSON"],
    );
    has(
        &kubectl.refuses("create token default").await,
        &["embedded cluster"],
    );
    has(
        &kubectl
            .refuses("port-forward deploy/suite-web 0:8080")
            .await,
        &["embedded cluster"],
    );
}
