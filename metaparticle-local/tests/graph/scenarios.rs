//! What is done in the scenarios.

use serde_json::{Value, json};

use super::{
    node::NO_IMAGE,
    scenario::{World, condition, count, status},
};

/// The image of the test cluster that waits until it is asked to end.
const PAUSE: &str = "metaparticle.test/pause:1";

pub(crate) const ALL: [&str; 10] = [
    "deploy",
    "rolling_update",
    "failed_rollout",
    "recreate",
    "deletion",
    "orphan",
    "stateful",
    "indexed_job",
    "failing_job",
    "absent_owner",
];

pub(crate) async fn play(name: &str, world: &mut World) {
    match name {
        "deploy" => deploy(world).await,
        "rolling_update" => rolling_update(world).await,
        "failed_rollout" => failed_rollout(world).await,
        "recreate" => recreate(world).await,
        "deletion" => deletion(world).await,
        "orphan" => orphan(world).await,
        "stateful" => stateful(world).await,
        "indexed_job" => indexed_job(world).await,
        "failing_job" => failing_job(world).await,
        "absent_owner" => absent_owner(world).await,
        other => panic!("no scenario {other}"),
    }
}

fn template(app: &str, restart: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"terminationGracePeriodSeconds": 1, "restartPolicy": restart, "containers": [{
            "name": "main", "image": PAUSE, "imagePullPolicy": "IfNotPresent",
            "ports": [{"name": "http", "containerPort": 8080}]}]},
    })
}

fn deployment(replicas: i32) -> Value {
    json!({
        "metadata": {"name": "web", "annotations": {"example.com/team": "blue"}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template("web", "Always")},
    })
}

/// A change of the template's annotation: another revision of the same program.
fn version(number: i32) -> Value {
    json!({"spec": {"template": {"metadata": {"annotations": {"version": number.to_string()}}}}})
}

fn rolled(all: &[Value], replicas: i32) -> bool {
    condition(all, "web", "Progressing", "NewReplicaSetAvailable")
        && status(all, "deployments", "web", "updatedReplicas", replicas)
        && status(all, "deployments", "web", "availableReplicas", replicas)
        && status(all, "deployments", "web", "replicas", replicas)
}

fn gone(all: &[Value]) -> bool {
    all.is_empty()
}

/// A Deployment with a Service, scaled up and down.
async fn deploy(world: &mut World) {
    let ports = json!([{"name": "http", "port": 80, "targetPort": "http"}]);
    let spec = json!({"selector": {"app": "web"}, "ports": ports});
    world
        .create(
            "services",
            json!({"metadata": {"name": "web", "labels": {"a": "b"}}, "spec": spec}),
        )
        .await;
    world.snapshot("a Service without pods").await;
    world.create("deployments", deployment(3)).await;
    world.until("three pods", |all| rolled(all, 3)).await;
    world.snapshot("three pods").await;
    for replicas in [5, 1, 0] {
        world
            .patch(
                "deployments",
                "web",
                json!({"spec": {"replicas": replicas}}),
            )
            .await;
        let field = if replicas == 0 {
            Value::Null
        } else {
            json!(replicas)
        };
        world
            .until("another size", |all| {
                status(
                    all,
                    "deployments",
                    "web",
                    "availableReplicas",
                    field.clone(),
                ) && count(all, "pods", |_| true)
                    == usize::try_from(replicas).expect("not negative")
            })
            .await;
        world.snapshot("another size").await;
    }
}

/// Revisions forth and back; a paused Deployment; the past is forgotten.
async fn rolling_update(world: &mut World) {
    let mut web = deployment(4);
    web["spec"]["revisionHistoryLimit"] = json!(1);
    web["spec"]["strategy"] = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}});
    world.create("deployments", web).await;
    world
        .until("the first revision", |all| rolled(all, 4))
        .await;
    for number in [2, 3] {
        world.patch("deployments", "web", version(number)).await;
        world
            .until("the next revision", |all| {
                rolled(all, 4) && count(all, "pods", |_| true) == 4
            })
            .await;
        world.snapshot("the next revision").await;
    }
    world.patch("deployments", "web", version(2)).await;
    world
        .until("the revision before", |all| {
            rolled(all, 4) && count(all, "pods", |_| true) == 4
        })
        .await;
    world.snapshot("the revision before").await;
    world
        .patch("deployments", "web", json!({"spec": {"paused": true}}))
        .await;
    world
        .until("paused", |all| {
            condition(all, "web", "Progressing", "DeploymentPaused")
        })
        .await;
    world.patch("deployments", "web", version(5)).await;
    world.snapshot("paused").await;
    world
        .patch("deployments", "web", json!({"spec": {"paused": false}}))
        .await;
    world
        .until("resumed", |all| {
            rolled(all, 4) && count(all, "pods", |_| true) == 4
        })
        .await;
    world.snapshot("resumed").await;
}

/// New pods never become ready: the old ones stay. Then scaled amid it, and taken back.
async fn failed_rollout(world: &mut World) {
    let mut web = deployment(4);
    web["spec"]["progressDeadlineSeconds"] = json!(4);
    world.create("deployments", web).await;
    world
        .until("the first revision", |all| rolled(all, 4))
        .await;
    let mut broken = template("web", "Always");
    broken["spec"]["containers"][0]["image"] = json!(NO_IMAGE);
    world
        .patch("deployments", "web", json!({"spec": {"template": broken}}))
        .await;
    world
        .until("late", |all| {
            condition(all, "web", "Progressing", "ProgressDeadlineExceeded")
        })
        .await;
    world.snapshot("late").await;
    world
        .patch("deployments", "web", json!({"spec": {"replicas": 8}}))
        .await;
    world
        .until("scaled", |all| {
            count(all, "pods", |it| it["status"]["phase"] == "Running") >= 6
                && count(all, "pods", |_| true) == 10
        })
        .await;
    // Pods that became ready were progress: the deadline passes anew.
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    world.snapshot("scaled").await;
    world
        .patch(
            "deployments",
            "web",
            json!({"spec": {"template": template("web", "Always")}}),
        )
        .await;
    world
        .until("taken back", |all| {
            rolled(all, 8) && count(all, "pods", |_| true) == 8
        })
        .await;
    world.snapshot("taken back").await;
}

async fn recreate(world: &mut World) {
    let mut web = deployment(2);
    web["spec"]["strategy"] = json!({"type": "Recreate"});
    world.create("deployments", web).await;
    world
        .until("the first revision", |all| rolled(all, 2))
        .await;
    world.patch("deployments", "web", version(2)).await;
    world
        .until("the next revision", |all| {
            rolled(all, 2) && count(all, "pods", |_| true) == 2
        })
        .await;
    world.snapshot("the next revision").await;
}

/// Both ways to delete a Deployment with all that it owns.
async fn deletion(world: &mut World) {
    for policy in ["Background", "Foreground"] {
        world.create("deployments", deployment(2)).await;
        world.until("two pods", |all| rolled(all, 2)).await;
        world.delete("deployments", "web", policy).await;
        world.until("all gone", gone).await;
        world.snapshot("all gone").await;
    }
    // What something else holds holds its owner, too, if it is deleted in the foreground.
    world.create("deployments", deployment(1)).await;
    world.until("one pod", |all| rolled(all, 1)).await;
    let sets = super::http::get(
        &world.client,
        &format!("/apis/apps/v1/namespaces/{}/replicasets", world.namespace),
    )
    .await;
    let set = sets["items"][0]["metadata"]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    world
        .patch(
            "replicasets",
            &set,
            json!({"metadata": {"finalizers": ["example.com/held"]}}),
        )
        .await;
    world.delete("deployments", "web", "Foreground").await;
    world
        .until("only what is held", |all| count(all, "pods", |_| true) == 0)
        .await;
    world.snapshot("only what is held").await;
    world
        .patch(
            "replicasets",
            &set,
            json!({"metadata": {"finalizers": null}}),
        )
        .await;
    world.until("all gone", gone).await;
}

/// What an owner leaves behind is taken by the next.
async fn orphan(world: &mut World) {
    world.create("deployments", deployment(2)).await;
    world.until("two pods", |all| rolled(all, 2)).await;
    world.delete("deployments", "web", "Orphan").await;
    world
        .until("no Deployment", |all| {
            count(all, "deployments", |_| true) == 0
        })
        .await;
    world.snapshot("left behind").await;
    world.create("deployments", deployment(2)).await;
    world.until("taken", |all| rolled(all, 2)).await;
    world.snapshot("taken").await;
    let pods = super::http::get(
        &world.client,
        &format!("/api/v1/namespaces/{}/pods", world.namespace),
    )
    .await;
    let pod = pods["items"][0]["metadata"]["name"]
        .as_str()
        .expect("a name");
    world
        .patch(
            "pods",
            pod,
            json!({"metadata": {"labels": {"app": "other"}}}),
        )
        .await;
    world
        .until("one replaced", |all| {
            count(all, "pods", |_| true) == 3 && rolled(all, 2)
        })
        .await;
    world.snapshot("one let go and replaced").await;
}

async fn stateful(world: &mut World) {
    let db = json!({"metadata": {"name": "db"}, "spec": {"replicas": 3, "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}}, "template": template("db", "Always")}});
    world
        .create(
            "services",
            json!({"metadata": {"name": "db"}, "spec": {"clusterIP": "None",
        "selector": {"app": "db"}, "ports": [{"port": 5432}]}}),
        )
        .await;
    world.create("statefulsets", db).await;
    let ready = |all: &[Value], replicas: i32| {
        status(all, "statefulsets", "db", "availableReplicas", replicas)
            && status(all, "statefulsets", "db", "updatedReplicas", replicas)
            && status(all, "statefulsets", "db", "currentReplicas", replicas)
            && count(all, "pods", |_| true) == usize::try_from(replicas).expect("not negative")
    };
    world.until("three pods", |all| ready(all, 3)).await;
    world.snapshot("three pods").await;
    let partition =
        |it: i32| json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": it}}}});
    world.patch("statefulsets", "db", partition(2)).await;
    world.patch("statefulsets", "db", version(2)).await;
    world
        .until("one updated", |all| {
            status(all, "statefulsets", "db", "updatedReplicas", 1)
                && status(all, "statefulsets", "db", "availableReplicas", 3)
        })
        .await;
    world.snapshot("one updated").await;
    world.patch("statefulsets", "db", partition(0)).await;
    world.until("all updated", |all| ready(all, 3)).await;
    world.snapshot("all updated").await;
    world.delete("pods", "db-1", "Background").await;
    world.until("made again", |all| ready(all, 3)).await;
    world
        .patch("statefulsets", "db", json!({"spec": {"replicas": 1}}))
        .await;
    world.until("one left", |all| ready(all, 1)).await;
    world.snapshot("one left").await;
}

fn job(spec: &Value) -> Value {
    let mut job =
        json!({"metadata": {"name": "work"}, "spec": {"template": template("work", "Never")}});
    for (key, value) in spec.as_object().expect("fields") {
        job["spec"][key] = value.clone();
    }
    job
}

async fn indexed_job(world: &mut World) {
    let mut work = job(&json!({"completions": 4, "parallelism": 2, "completionMode": "Indexed"}));
    // The program ends well when it is asked to: the probe has it asked.
    work["spec"]["template"]["spec"]["containers"][0]["livenessProbe"] =
        json!({"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1});
    world.create("jobs", work).await;
    world
        .until("complete", |all| {
            condition(all, "work", "Complete", "CompletionsReached")
        })
        .await;
    world.snapshot("complete").await;
    world
        .patch(
            "jobs",
            "work",
            json!({"spec": {"ttlSecondsAfterFinished": 0}}),
        )
        .await;
    world.until("all gone", gone).await;
}

async fn failing_job(world: &mut World) {
    let mut work = job(&json!({"backoffLimit": 1, "parallelism": 1}));
    work["spec"]["template"]["spec"]["containers"][0]["command"] = json!(["/nope"]);
    world.create("jobs", work).await;
    world
        .until("failed", |all| {
            condition(all, "work", "Failed", "BackoffLimitExceeded")
        })
        .await;
    world.snapshot("failed").await;
    world.delete("jobs", "work", "Background").await;
    world.until("all gone", gone).await;
    world
        .create(
            "jobs",
            job(&json!({"parallelism": 2, "completions": 2, "activeDeadlineSeconds": 4})),
        )
        .await;
    world
        .until("late", |all| {
            condition(all, "work", "Failed", "DeadlineExceeded")
        })
        .await;
    world.snapshot("late").await;
    world.delete("jobs", "work", "Background").await;
    world.until("all gone", gone).await;
    world.create("jobs", job(&json!({"suspend": false}))).await;
    world
        .until("active", |all| status(all, "jobs", "work", "ready", 1))
        .await;
    world
        .patch("jobs", "work", json!({"spec": {"suspend": true}}))
        .await;
    world
        .until("suspended", |all| {
            condition(all, "work", "Suspended", "JobSuspended") && count(all, "pods", |_| true) == 0
        })
        .await;
    world.snapshot("suspended").await;
}

/// An owner that is not there, or only under another uid, or in another namespace, is none.
async fn absent_owner(world: &mut World) {
    let owner = world
        .create(
            "pods",
            json!({"metadata": {"name": "owner"}, "spec": template("x", "Always")["spec"]}),
        )
        .await;
    let pod = |name: &str, owners: Value| {
        let metadata = json!({"name": name, "ownerReferences": owners, "labels": {"x": "y"}});
        json!({"metadata": metadata, "spec": template("x", "Always")["spec"]})
    };
    let by = |name: &str, uid: &Value| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid});
    let uid = &owner["metadata"]["uid"];
    world
        .create("pods", pod("kept", json!([by("owner", uid)])))
        .await;
    world
        .create("pods", pod("none", json!([by("absent", &json!("1"))])))
        .await;
    world
        .create("pods", pod("other", json!([by("owner", &json!("2"))])))
        .await;
    world
        .create(
            "pods",
            pod("both", json!([by("owner", uid), by("absent", &json!("1"))])),
        )
        .await;
    world
        .until("two are collected", |all| {
            count(all, "pods", |it| it["status"]["phase"] == "Running") == 3
                && count(all, "pods", |_| true) == 3
        })
        .await;
    world.snapshot("two are collected, one is disowned").await;
    world.delete("pods", "owner", "Background").await;
    world.until("the rest goes, too", gone).await;
}
