//! The example `fenced-writer`: two of it lead by turns, and what one sends too late is refused by the API server.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{ResourceExt as _, api::PostParams, config::Kubeconfig};
use metaparticle_spec::AppSpec;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

use crate::{
    apply,
    harness::{Namespace, run, workspace},
};

const LIMIT: Duration = Duration::from_secs(60);

/// Starts the example as a pod of the namespace would run it, and sends on what it prints.
fn start(namespace: &Namespace, kubeconfig: &std::path::Path, said: mpsc::Sender<String>) -> Child {
    let mut child = Command::new(workspace().join("target/debug/fenced-writer"))
        .env("METAPARTICLE_ROLE", "replica")
        .env("METAPARTICLE_POD_NAMESPACE", &namespace.name)
        .env("KUBECONFIG", kubeconfig)
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let _ = said.send(line).await;
        }
    });
    child
}

#[tokio::test]
async fn late_write_of_a_former_leader_is_refused() {
    let namespace = Namespace::create("fenced").await;
    let mut build = Command::new(env!("CARGO"));
    build
        .current_dir(workspace())
        .args(["build", "--quiet", "--bin", "fenced-writer"])
        .env("CARGO_TARGET_DIR", workspace().join("target"));
    run(build, 0).await;
    let policy = AppSpec {
        policy: true,
        ..apply::spec(1)
    };
    apply::apply(&apply::cluster(&namespace), &apply::request(&policy))
        .await
        .expect("the policy is applied");
    let prices = serde_json::from_value(json!({ "metadata": { "name": "prices" } }));
    let maps = namespace.api::<ConfigMap>();
    let created = maps
        .create(&PostParams::default(), &prices.expect("a ConfigMap"))
        .await;
    created.expect("created");
    // A pod's client is in the pod's namespace; this one is where its kubeconfig says.
    let path = std::env::var("METAPARTICLE_TEST_KUBECONFIG").expect("set by xtask");
    let mut file = Kubeconfig::read_from(path).expect("a kubeconfig");
    for context in file
        .contexts
        .iter_mut()
        .filter_map(|it| it.context.as_mut())
    {
        context.namespace = Some(namespace.name.clone());
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let kubeconfig = folder.path().join("kubeconfig");
    let text = serde_json::to_string(&file).expect("JSON");
    std::fs::write(&kubeconfig, text).expect("written");

    let (said, mut lines) = mpsc::channel(64);
    let _both = [
        start(&namespace, &kubeconfig, said.clone()),
        start(&namespace, &kubeconfig, said),
    ];
    let mut seen = Vec::new();
    loop {
        let line = timeout(LIMIT, lines.recv()).await;
        let Ok(Some(line)) = line else {
            panic!("nothing was refused: {seen:#?}");
        };
        seen.push(line.clone());
        assert!(!line.contains("nobody has claimed since"), "{seen:#?}");
        if line.contains("came late and was refused") {
            assert!(
                line.contains("metaparticle fencing: election.metaparticle.dev/prices is"),
                "{line}"
            );
            break;
        }
    }
    let tea = maps.get("prices").await.expect("it is there");
    assert_ne!(tea.data.as_ref().expect("data")["tea"], "stale");
    assert!(
        tea.annotations()
            .contains_key("election.metaparticle.dev/prices")
    );
    namespace.delete().await;
}
