//! How pods end, by themselves and with the node.

use super::*;

#[tokio::test]
async fn a_deleted_pod_ends_in_order_and_its_object_goes() {
    let fixture = Fixture::new().await;
    let pid = fixture
        .create_trap("web", "sleep 0.1; exit 0", |_| {})
        .await;
    fixture.delete("web", None);
    let pod = fixture.until("web", "marked", |pod| {
        pod["metadata"]["deletionTimestamp"].is_string()
    });
    assert_eq!(first(&pod.await)["ready"], true, "it is still there");
    fixture.gone("web").await;
    assert!(is_gone(pid));
    let stopping = ("Killing".to_owned(), "Stopping container main".to_owned());
    assert!(fixture.events("web").contains(&stopping));
    let left = || {
        fs::read_dir(fixture.folder.path().join("pods"))
            .unwrap()
            .count()
    };
    while left() > 0 {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_pod_that_ignores_sigterm_is_killed_after_its_grace() {
    let fixture = Fixture::new().await;
    let pid = fixture.create_trap("web", "", |_| {}).await;
    let start = Instant::now();
    fixture.delete("web", Some(1));
    fixture.gone("web").await;
    assert!(is_gone(pid));
    let took = start.elapsed();
    assert!(
        (Duration::from_secs(1)..Duration::from_secs(3)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_pod_whose_object_is_gone_ends_soon() {
    let fixture = Fixture::new().await;
    let pid = fixture.create_trap("web", "", |_| {}).await;
    fixture.delete("web", Some(0));
    fixture.gone("web").await;
    let end = Instant::now() + Duration::from_secs(3);
    while !is_gone(pid) {
        assert!(Instant::now() < end);
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_pod_does_not_outlive_its_deadline() {
    let fixture = Fixture::new().await;
    let mut spec = pod("exec sleep 1000");
    spec["activeDeadlineSeconds"] = 1.into();
    fixture.create("web", spec);
    let running = pid(&fixture.ready("web").await);
    let failed = |pod: &Value| pod["status"]["reason"] == "DeadlineExceeded";
    let ended = |pod: &Value| failed(pod) && first(pod)["state"]["terminated"].is_object();
    let pod = fixture.until("web", "over", ended).await;
    assert_eq!(pod["status"]["phase"], "Failed");
    assert!(is_gone(running));
}

#[tokio::test]
async fn dropping_the_node_kills_every_pod_before_it_returns() {
    let fixture = Fixture::new().await;
    let pid = fixture.create_trap("web", "", |_| {}).await;
    assert!(!is_gone(pid));
    let start = Instant::now();
    drop(fixture.node);
    assert!(is_gone(pid));
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_shutdown_lets_pods_end_in_order() {
    let fixture = Fixture::new().await;
    let file = fixture.folder.path().join("said");
    let action = format!("echo bye > {}; exit", file.display());
    fixture.create_trap("web", &action, |_| {}).await;
    let start = Instant::now();
    fixture.node.shutdown(Duration::from_secs(5)).await;
    assert_eq!(fs::read_to_string(file).unwrap(), "bye\n");
    assert!(start.elapsed() < Duration::from_secs(2));
}

/// Shuts the node down while a pod runs with this hook, and maybe while it is deleted; when the pod was told.
async fn shutdown_with_hook(hook: Value, deleted: bool) -> Duration {
    let fixture = Fixture::new().await;
    let file = fixture.folder.path().join("said");
    let action = format!("echo bye > {}; exit", file.display());
    let hooked = |spec: &mut Value| spec["containers"][0]["lifecycle"] = json!({"preStop": hook});
    fixture.create_trap("web", &action, hooked).await;
    if deleted {
        fixture.delete("web", None);
        sleep(Duration::from_millis(100)).await;
    }
    let start = Instant::now();
    fixture.node.shutdown(Duration::from_secs(4)).await;
    assert_eq!(fs::read_to_string(file).unwrap(), "bye\n");
    start.elapsed()
}

#[tokio::test]
async fn a_shutdown_does_not_sleep_before_sigterm() {
    let sleep = json!({"sleep": {"seconds": 5}});
    for deleted in [false, true] {
        let took = shutdown_with_hook(sleep.clone(), deleted).await;
        assert!(took < Duration::from_secs(2), "{deleted} {took:?}");
    }
}

#[tokio::test]
async fn a_hook_leaves_time_for_sigterm_when_the_node_ends() {
    let exec = json!({"exec": {"command": ["sleep", "1000"]}});
    let took = shutdown_with_hook(exec, false).await;
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn an_ended_node_leaves_nothing_in_its_folder() {
    let fixture = Fixture::new().await;
    fixture.create("job", once("echo text; echo text > file"));
    fixture.create("web", pod("mkdir a; : > a/b; exec sleep 1000"));
    fixture.phase("job", "Succeeded").await;
    fixture.ready("web").await;
    let left = || fs::read_dir(fixture.folder.path()).unwrap().count();
    assert_eq!(left(), 1);
    drop(fixture.node);
    assert_eq!(left(), 0);
}
