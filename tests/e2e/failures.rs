//! Programs and clusters that fail: each is told within seconds, with what, where, why and what to do.

use std::{process::Stdio, time::Duration};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::ResourceQuota};
use kube::{
    ResourceExt as _,
    api::PostParams,
    core::{ApiResource, GroupVersionKind},
};
use metaparticle::deploy::{
    apply::{Applied, Change},
    report::Report,
    rollout::{Failure, wait},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::{Instant, timeout},
};

use crate::harness::{Namespace, Program};

/// From the last applied object to the report. The cluster's own waits (two starts, the first back-off) are in it.
const SECONDS: Duration = Duration::from_secs(30);

/// A service of one pod with more arguments of the attribute, whose `main` is `body`.
fn service(arguments: &str, body: &str) -> String {
    format!(
        "#[metaparticle::containerize(ports = [8080]{arguments})]\nfn main() {{\n    {body}\n}}\n"
    )
}

const SLEEP: &str = "loop { std::thread::park(); }";

/// Deploys a program that fails; its last event.
async fn failure(program: &Program, namespace: &Namespace, options: &[&str]) -> Value {
    failure_within(SECONDS, program, namespace, options).await
}

async fn failure_within(
    limit: Duration,
    program: &Program,
    namespace: &Namespace,
    options: &[&str],
) -> Value {
    let arguments = [&["metaparticle", "up", "--output", "json"], options].concat();
    let mut command = program.cargo_run(namespace, &arguments);
    let mut child = command.stderr(Stdio::inherit()).spawn().expect("starts");
    let mut events = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut applied = Instant::now();
    let mut last = Value::Null;
    let read = async {
        while let Some(line) = events.next_line().await.expect("readable") {
            last = serde_json::from_str(&line).expect("an object a line");
            if last["event"] == "applied" {
                applied = Instant::now();
            }
        }
    };
    timeout(Duration::from_secs(900), read).await.expect("ends");
    assert!(applied.elapsed() < limit, "{:?}: {last}", applied.elapsed());
    let status = child.wait().await.expect("ends");
    assert_eq!(status.code(), Some(1), "{last}");
    assert_eq!(last["event"], "failed", "{last}");
    last
}

/// What failed, why, and what to do, in one text.
fn words(failure: &Value) -> String {
    let causes = failure["causes"].as_array().expect("causes").iter();
    let causes: Vec<&str> = causes.filter_map(Value::as_str).collect();
    format!(
        "{}: {}; help: {}",
        failure["message"].as_str().unwrap_or_default(),
        causes.join(": "),
        failure["help"].as_str().unwrap_or_default()
    )
}

#[track_caller]
fn assert_says(failure: &Value, parts: &[&str]) {
    let words = words(failure);
    for part in parts {
        assert!(words.contains(part), "`{part}` is not in: {words}");
    }
}

#[tokio::test]
async fn a_crash_is_told_with_the_programs_last_lines() {
    let namespace = Namespace::create("crash").await;
    let body = "for n in 1..=30 { eprintln!(\"line {n}\"); } panic!(\"no database\")";
    let program = Program::new("e2e-crash", &service("", body));
    let failure = failure(&program, &namespace, &[]).await;
    assert_says(
        &failure,
        &[
            "Deployment/e2e-crash",
            "crashes",
            "| line 30",
            "no database",
        ],
    );
    assert!(!words(&failure).contains("| line 9\n"), "{failure}");
    namespace.delete().await;
}

#[tokio::test]
async fn a_program_that_is_never_ready_is_told_its_probe() {
    let namespace = Namespace::create("unready").await;
    let program = Program::new("e2e-unready", &service("", SLEEP));
    let failure = failure(&program, &namespace, &["--timeout", "10s"]).await;
    assert_says(
        &failure,
        &["does not become ready", "8080", "connection refused"],
    );
    assert!(!words(&failure).contains("127.0.0.1 only"), "{failure}");
    namespace.delete().await;
}

#[tokio::test]
async fn a_program_that_listens_on_loopback_only_is_told_so() {
    let namespace = Namespace::create("loopback").await;
    let body = "let l = std::net::TcpListener::bind(\"127.0.0.1:8080\").unwrap(); loop { let _ = l.accept(); }";
    let program = Program::new("e2e-loopback", &service("", body));
    let failure = failure(&program, &namespace, &["--timeout", "10s"]).await;
    assert_says(
        &failure,
        &["listens on 127.0.0.1 only", "bind 0.0.0.0:8080"],
    );
    namespace.delete().await;
}

#[tokio::test]
async fn a_program_that_fits_nowhere_is_told_by_the_scheduler() {
    let namespace = Namespace::create("huge").await;
    let program = Program::new("e2e-huge", &service(", resources(cpu = \"1000\")", SLEEP));
    let failure = failure(&program, &namespace, &[]).await;
    assert_says(&failure, &["fits on no node", "Insufficient cpu"]);
    namespace.delete().await;
}

#[tokio::test]
async fn a_quota_that_is_too_small_is_told() {
    let namespace = Namespace::create("quota").await;
    let quota: ResourceQuota = serde_json::from_value(json!({
        "metadata": {"name": "small"},
        "spec": {"hard": {"requests.cpu": "10m"}},
    }))
    .expect("a quota");
    let created = namespace.api().create(&PostParams::default(), &quota).await;
    created.expect("created");
    let program = Program::new("e2e-quota", &service("", SLEEP));
    let failure = failure(&program, &namespace, &[]).await;
    assert_says(&failure, &["quota", "exceeded quota: small"]);
    namespace.delete().await;
}

#[tokio::test]
async fn a_job_that_gives_up_names_its_pod_and_last_lines() {
    let namespace = Namespace::create("giveup").await;
    let source =
        "#[metaparticle::job]\nfn main() { println!(\"half done\"); std::process::exit(3) }\n";
    let program = Program::new("e2e-giveup", source);
    // The job controller tries again after 10, 20 and 40 s.
    let limit = Duration::from_secs(120);
    let failure = failure_within(limit, &program, &namespace, &[]).await;
    assert_says(
        &failure,
        &["pod e2e-giveup-", "(index 0)", "exit code 3", "| half done"],
    );
    namespace.delete().await;
}

/// Creates a Deployment that metaparticle would not generate, and waits for its rollout.
async fn foreign(namespace: &Namespace, container: Value) -> (Failure, Duration) {
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "foreign"},
        "spec": {
            "selector": {"matchLabels": {"app": "foreign"}},
            "template": {
                "metadata": {"labels": {"app": "foreign"}},
                "spec": {"containers": [container]},
            },
        },
    }))
    .expect("a deployment");
    let created = namespace
        .api()
        .create(&PostParams::default(), &deployment)
        .await;
    let created: Deployment = created.expect("created");
    let applied = Applied {
        api: ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment")),
        namespace: namespace.name.clone(),
        name: created.name_any(),
        uid: created.uid().expect("a uid"),
        resource_version: created.resource_version().expect("a version"),
        generation: created.metadata.generation,
        change: Change::Created,
    };
    let begun = Instant::now();
    let limit = Duration::from_secs(120);
    let ended = wait(&namespace.client, &[applied], &Report::capture(), limit).await;
    (ended.expect_err("fails"), begun.elapsed())
}

fn report(failure: &Failure) -> String {
    let source = std::error::Error::source(failure).map(ToString::to_string);
    format!("{failure}: {}", source.unwrap_or_default())
}

#[tokio::test]
async fn an_image_that_does_not_exist_is_told_at_once() {
    let namespace = Namespace::create("noimage").await;
    let image = format!("{}/nothing/here:1", crate::harness::registry());
    let container = json!({
        "name": "main",
        "image": image,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": 65532, "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        },
    });
    let (failure, took) = foreign(&namespace, container).await;
    let text = report(&failure);
    println!("told after {took:?}: {text}");
    assert!(
        text.contains(&format!("cannot pull image `{image}`")),
        "{text}"
    );
    assert!(text.contains("not found"), "{text}");
    assert!(took < SECONDS, "{took:?}");
    namespace.delete().await;
}

#[tokio::test]
async fn a_refusal_of_pod_security_is_told_at_once() {
    let namespace = Namespace::create("refused").await;
    let container = json!({"name": "main", "image": "scratch"});
    let (failure, took) = foreign(&namespace, container).await;
    let text = report(&failure);
    println!("told after {took:?}: {text}");
    assert!(
        text.contains("PodSecurity level does not allow its pods"),
        "{text}"
    );
    assert!(text.contains("restricted"), "{text}");
    assert!(took < SECONDS, "{took:?}");
    namespace.delete().await;
}
