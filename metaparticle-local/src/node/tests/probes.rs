//! Probes of running pods.

use super::*;

fn probed(script: &str, kind: &str, probe: Value) -> Value {
    let mut spec = pod(script);
    spec["containers"][0][kind] = probe;
    spec
}

fn file(name: &str) -> Value {
    json!({"exec": {"command": ["test", "-e", name]}, "periodSeconds": 1, "failureThreshold": 1})
}

#[tokio::test]
async fn a_container_is_ready_soon_after_its_probe_would_succeed() {
    let fixture = Fixture::new().await;
    let mut probe = file("ready");
    probe["periodSeconds"] = 10.into();
    let spec = probed(
        "sleep 0.2; touch ready; exec sleep 1000",
        "readinessProbe",
        probe,
    );
    fixture.create("web", spec);
    let pod = fixture.phase("web", "Running").await;
    assert_eq!(
        (&first(&pod)["started"], &first(&pod)["ready"]),
        (&true.into(), &false.into())
    );
    let start = Instant::now();
    fixture.ready("web").await;
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_container_that_fails_its_readiness_probe_is_not_ready_and_goes_on() {
    let fixture = Fixture::new().await;
    let script = "touch ready; sleep 0.5; rm ready; exec sleep 1000";
    fixture.create("web", probed(script, "readinessProbe", file("ready")));
    fixture.ready("web").await;
    let pod = fixture
        .until("web", "unready", |pod| first(pod)["ready"] == false)
        .await;
    assert_eq!(first(&pod)["restartCount"], 0);
    let unhealthy = (
        "Unhealthy".to_owned(),
        "Readiness probe failed: ".to_owned(),
    );
    assert!(fixture.events("web").contains(&unhealthy));
}

#[tokio::test]
async fn a_container_that_fails_its_liveness_probe_is_restarted() {
    let fixture = Fixture::new().await;
    let script = "trap 'exit 0' TERM; while :; do sleep 0.01; done";
    fixture.create("web", probed(script, "livenessProbe", file("alive")));
    let restarted = |pod: &Value| first(pod)["restartCount"] == 1;
    let pod = fixture.until("web", "restarted", restarted).await;
    assert_eq!(first(&pod)["lastState"]["terminated"]["exitCode"], 0);
    let message = "Container main failed liveness probe, will be restarted";
    let killing = ("Killing".to_owned(), message.to_owned());
    assert!(fixture.events("web").contains(&killing));
}

#[tokio::test]
async fn a_container_has_not_started_before_its_startup_probe_succeeds() {
    let fixture = Fixture::new().await;
    let mut probe = file("up");
    probe["failureThreshold"] = 10.into();
    let spec = probed(
        "sleep 0.3; touch up; exec sleep 1000",
        "startupProbe",
        probe,
    );
    fixture.create("web", spec);
    let pod = fixture.phase("web", "Running").await;
    assert_eq!(
        (&first(&pod)["started"], &first(&pod)["ready"]),
        (&false.into(), &false.into())
    );
    let pod = fixture.ready("web").await;
    assert_eq!(first(&pod)["started"], true);
}
