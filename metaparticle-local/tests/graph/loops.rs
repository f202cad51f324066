//! The loops of the controllers, in paused time: what they do when nobody does anything, and when time passes.

use std::time::Duration;

use kube::Client;
use metaparticle_local::Cluster;
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{
    graph,
    http::{call, get},
    node,
    scenario::{World, condition, count, status},
};

/// A cluster with a node that ends with it.
struct Local {
    cluster: Cluster,
    node: JoinHandle<()>,
}

impl Local {
    async fn start() -> Self {
        let cluster = Cluster::start().await;
        let node = tokio::spawn(node::run(cluster.client()));
        Self { cluster, node }
    }

    async fn world(&self) -> World {
        World::new(self.cluster.client(), "loops").await
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.node.abort();
    }
}

fn template(change: impl FnOnce(&mut Value)) -> Value {
    let mut template = json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
    });
    change(&mut template);
    template
}

fn deployment(spec: &Value) -> Value {
    let mut web = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template(|_| ())},
    });
    for (key, value) in spec.as_object().expect("fields") {
        web["spec"][key] = value.clone();
    }
    web
}

fn job(spec: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut template = template(change);
    template["spec"]["restartPolicy"] = json!("Never");
    let mut job = json!({"metadata": {"name": "work"}, "spec": {"template": template}});
    for (key, value) in spec.as_object().expect("fields") {
        job["spec"][key] = value.clone();
    }
    job
}

/// The latest revision of the store: every write raises it.
async fn revision(client: &Client) -> String {
    let list = get(client, "/api/v1/configmaps").await;
    list["metadata"]["resourceVersion"]
        .as_str()
        .expect("a revision")
        .to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_idle_cluster_writes_nothing() {
    let local = Local::start().await;
    let world = local.world().await;
    world.create("deployments", deployment(&json!({}))).await;
    let ports = json!([{"port": 80}]);
    let service =
        json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}});
    world.create("services", service).await;
    let set = json!({"metadata": {"name": "db"}, "spec": {"serviceName": "db", "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}}, "template": template(|_| ())}});
    world.create("statefulsets", set).await;
    world
        .create(
            "jobs",
            job(&json!({}), |it| {
                it["spec"]["containers"][0]["livenessProbe"] = json!({"tcpSocket": {"port": 1}});
            }),
        )
        .await;
    world
        .until("all at rest", |all| {
            status(all, "deployments", "web", "availableReplicas", 3)
                && status(all, "statefulsets", "db", "availableReplicas", 2)
                && condition(all, "work", "Complete", "CompletionsReached")
        })
        .await;
    local.node.abort(); // it asks all the time
    // Events are forgotten after an hour, as by the real server.
    sleep(Duration::from_secs(2 * 60 * 60)).await;
    let before = revision(&world.client).await;
    sleep(Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!(revision(&world.client).await, before);
    // The check sees a write where there is one.
    world
        .create("configmaps", json!({"metadata": {"name": "x"}}))
        .await;
    assert_ne!(revision(&world.client).await, before);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_means_nothing_is_answered_with_no_write() {
    let local = Local::start().await;
    let world = local.world().await;
    world.create("deployments", deployment(&json!({}))).await;
    world
        .until("ready", |all| {
            status(all, "deployments", "web", "availableReplicas", 3)
        })
        .await;
    sleep(Duration::from_secs(5)).await;
    let sets = format!("/apis/apps/v1/namespaces/{}/replicasets", world.namespace);
    let before = get(&world.client, &sets).await["items"].clone();
    world
        .patch(
            "deployments",
            "web",
            json!({"metadata": {"labels": {"touched": "yes"}}}),
        )
        .await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(get(&world.client, &sets).await["items"], before);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_is_late_when_its_deadline_passes_and_not_before() {
    let local = Local::start().await;
    let world = local.world().await;
    let broken = template(|it| it["spec"]["containers"][0]["image"] = json!(node::NO_IMAGE));
    world
        .create(
            "deployments",
            deployment(&json!({"template": broken, "progressDeadlineSeconds": 100})),
        )
        .await;
    let late = |all: &[Value]| condition(all, "web", "Progressing", "ProgressDeadlineExceeded");
    sleep(Duration::from_secs(95)).await;
    assert!(!late(&graph::objects(&world).await));
    sleep(Duration::from_secs(10)).await;
    assert!(late(&graph::objects(&world).await));
}

#[tokio::test(start_paused = true)]
async fn pods_are_available_after_min_ready_seconds() {
    let local = Local::start().await;
    let world = local.world().await;
    world
        .create("deployments", deployment(&json!({"minReadySeconds": 30})))
        .await;
    world
        .until("ready", |all| {
            status(all, "deployments", "web", "readyReplicas", 3)
        })
        .await;
    let start = Instant::now();
    world
        .until("available", |all| {
            status(all, "deployments", "web", "availableReplicas", 3)
        })
        .await;
    let waited = start.elapsed().as_secs();
    assert!((28..=31).contains(&waited), "{waited} s");
}

#[tokio::test(start_paused = true)]
async fn a_rolling_update_keeps_enough_pods_available_at_every_moment() {
    let local = Local::start().await;
    let world = local.world().await;
    let strategy = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    world
        .create(
            "deployments",
            deployment(&json!({"strategy": strategy, "replicas": 5})),
        )
        .await;
    world
        .until("ready", |all| {
            status(all, "deployments", "web", "availableReplicas", 5)
        })
        .await;
    let next = template(|it| it["metadata"]["annotations"] = json!({"version": "2"}));
    world
        .patch("deployments", "web", json!({"spec": {"template": next}}))
        .await;
    let start = Instant::now();
    loop {
        let all = graph::objects(&world).await;
        let stays = |it: &Value| {
            let mut conditions = it["status"]["conditions"].as_array().into_iter().flatten();
            it["metadata"]["deletionTimestamp"].is_null()
                && conditions.any(|it| it["type"] == "Ready" && it["status"] == "True")
        };
        assert!(count(&all, "pods", stays) >= 5);
        assert!(
            count(&all, "pods", |it| it["metadata"]["deletionTimestamp"]
                .is_null())
                <= 6
        );
        if status(&all, "deployments", "web", "updatedReplicas", 5)
            && status(&all, "deployments", "web", "replicas", 5)
        {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(7)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_job_waits_longer_with_every_failure() {
    let local = Local::start().await;
    let world = local.world().await;
    let failing = |it: &mut Value| it["spec"]["containers"][0]["command"] = json!(["/nope"]);
    let start = Instant::now();
    world
        .create("jobs", job(&json!({"backoffLimit": 3}), failing))
        .await;
    let mut at = Vec::new();
    for pods in 1..=4 {
        while count(&graph::objects(&world).await, "pods", |_| true) < pods {
            sleep(Duration::from_millis(100)).await;
        }
        at.push(start.elapsed().as_secs());
    }
    // 10, then 20, then 40 seconds.
    assert!(at[1] >= 9 && at[1] <= 12, "{at:?}");
    assert!(at[2] >= 28 && at[2] <= 34, "{at:?}");
    assert!(at[3] >= 66 && at[3] <= 76, "{at:?}");
    world
        .until("failed", |all| {
            condition(all, "work", "Failed", "BackoffLimitExceeded")
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_finished_job_goes_after_its_time() {
    let local = Local::start().await;
    let world = local.world().await;
    let ends = |it: &mut Value| {
        it["spec"]["containers"][0]["livenessProbe"] = json!({"tcpSocket": {"port": 1}});
    };
    world
        .create("jobs", job(&json!({"ttlSecondsAfterFinished": 40}), ends))
        .await;
    world
        .until("complete", |all| {
            condition(all, "work", "Complete", "CompletionsReached")
        })
        .await;
    sleep(Duration::from_secs(35)).await;
    assert_eq!(graph::objects(&world).await.len(), 2);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(graph::objects(&world).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_fits_nowhere_is_told_so_and_bound_when_it_fits() {
    let local = Local::start().await;
    let world = local.world().await;
    let spec =
        json!({"nodeSelector": {"disk": "fast"}, "containers": [{"name": "main", "image": "x"}]});
    world
        .create("pods", json!({"metadata": {"name": "picky"}, "spec": spec}))
        .await;
    world
        .until("told", |all| {
            condition(all, "picky", "PodScheduled", "Unschedulable")
        })
        .await;
    let label = json!({"metadata": {"labels": {"disk": "fast"}}});
    call(&world.client, "PATCH", "/api/v1/nodes/node-1", &label)
        .await
        .expect("a node");
    world
        .until("runs", |all| {
            count(all, "pods", |it| it["status"]["phase"] == "Running") == 1
        })
        .await;
    let events = get(
        &world.client,
        &format!("/api/v1/namespaces/{}/events", world.namespace),
    )
    .await;
    let reasons: Vec<_> = events["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["reason"].clone())
        .collect();
    assert!(reasons.contains(&json!("FailedScheduling")) && reasons.contains(&json!("Scheduled")));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_namespace_is_emptied_and_goes_when_nothing_holds_it() {
    let local = Local::start().await;
    let world = local.world().await;
    world.create("deployments", deployment(&json!({}))).await;
    world
        .until("ready", |all| {
            status(all, "deployments", "web", "availableReplicas", 3)
        })
        .await;
    world
        .create(
            "configmaps",
            json!({"metadata": {"name": "held", "finalizers": ["example.com/held"]}}),
        )
        .await;
    let path = format!("/api/v1/namespaces/{}", world.namespace);
    call(&world.client, "DELETE", &path, &Value::Null)
        .await
        .expect("it is there");
    sleep(Duration::from_secs(60)).await;
    let namespace = get(&world.client, &path).await;
    assert_eq!(namespace["status"]["phase"], "Terminating");
    let conditions = namespace["status"]["conditions"]
        .as_array()
        .expect("conditions");
    let remaining = conditions
        .iter()
        .find(|it| it["type"] == "NamespaceContentRemaining")
        .expect("one");
    assert_eq!(
        remaining["message"],
        "Some resources are remaining: configmaps. has 1 resource instances"
    );
    world
        .patch(
            "configmaps",
            "held",
            json!({"metadata": {"finalizers": null}}),
        )
        .await;
    sleep(Duration::from_secs(1)).await;
    assert!(
        call(&world.client, "GET", &path, &Value::Null)
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_namespace_gets_its_service_account_back() {
    let local = Local::start().await;
    let world = local.world().await;
    let path = format!(
        "/api/v1/namespaces/{}/serviceaccounts/default",
        world.namespace
    );
    let first = get(&world.client, &path).await;
    call(&world.client, "DELETE", &path, &Value::Null)
        .await
        .expect("it is there");
    sleep(Duration::from_millis(10)).await;
    assert_ne!(
        get(&world.client, &path).await["metadata"]["uid"],
        first["metadata"]["uid"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_a_job_that_is_gone_is_let_go() {
    let local = Local::start().await;
    let world = local.world().await;
    world
        .create(
            "jobs",
            job(&json!({"parallelism": 2, "completions": 2}), |_| ()),
        )
        .await;
    world
        .until("two pods", |all| status(all, "jobs", "work", "ready", 2))
        .await;
    world.delete("jobs", "work", "Background").await;
    world.until("all gone", <[Value]>::is_empty).await;
}
