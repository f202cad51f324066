//! Apply, prune and `down`: which requests are sent, in which order, and what is left alone.

mod wire;

use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use metaparticle::{
    deploy::{
        apply::{self, Change, Error, Outcome, Request},
        cluster::Cluster,
        down::down,
        report::Report,
    },
    testing::{self, Requests},
};
use serde_json::{Value, json};
use wire::{Other, Sent, Wire};

const PARENT: &str = "/api/v1/namespaces/shop/configmaps/metaparticle-web";
const SERVICE: &str = "/api/v1/namespaces/shop/services/web";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const CONFIG_MAPS: &str = "/api/v1/namespaces/shop/configmaps";
const SERVICES: &str = "/api/v1/namespaces/shop/services";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";
const JOBS: &str = "/apis/batch/v1/namespaces/shop/jobs";
const KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
const PART_OF: &str = "applyset.kubernetes.io/part-of";

/// An application on a cluster without controllers, and somebody else who uses it.
struct Shop {
    embedded: testing::Cluster,
    wire: Wire,
    other: Other,
    cluster: Cluster,
    request: Request,
    armed: AtomicBool,
}

impl Shop {
    async fn new() -> Self {
        let embedded = testing::Cluster::builder().without_controllers();
        let embedded = embedded.start().await.expect("starts");
        let (wire, other) = (Wire::default(), Other(embedded.client_named("other")));
        let namespace = json!({"metadata": {"name": "shop"}});
        other.create("/api/v1/namespaces", &namespace).await;
        Self {
            cluster: Cluster::for_tests(wire.client(embedded.client(), None), "shop"),
            embedded,
            wire,
            other,
            request: Request {
                app: "web".into(),
                manifests: vec![service("web"), deployment()],
                take_ownership: false,
                create_namespace: false,
            },
            armed: AtomicBool::new(false),
        }
    }

    async fn apply(&self) -> Result<Outcome, Error> {
        let report = Report::capture();
        apply::apply(&self.cluster, &self.request, &report, &self.armed).await
    }

    async fn down(&self) -> usize {
        // Foreground deletion waits for the garbage collector, who is this test.
        let (other, finalizers) = (
            self.other.clone(),
            json!({"metadata": {"finalizers": null}}),
        );
        self.wire.before(Method::DELETE, SERVICE, async move {
            other.change(DEPLOYMENT, &finalizers).await;
        });
        let deleted = down(&self.cluster, "web", &Report::capture()).await;
        deleted.expect("down succeeds")
    }

    async fn recorded_kinds(&self) -> String {
        let parent = self.other.read(PARENT).await.expect("the parent");
        let kinds = &parent["metadata"]["annotations"][KINDS];
        kinds.as_str().expect("kinds").to_owned()
    }

    /// Everything in the namespace, by path.
    async fn objects(&self) -> Vec<(String, Value)> {
        let mut objects = Vec::new();
        for collection in [CONFIG_MAPS, SERVICES, DEPLOYMENTS, JOBS] {
            let list = self.other.read(collection).await.expect("a list");
            for item in list["items"].as_array().expect("items") {
                let name = item["metadata"]["name"].as_str().expect("a name");
                objects.push((format!("{collection}/{name}"), item.clone()));
            }
        }
        objects
    }

    async fn paths(&self) -> Vec<String> {
        let objects = self.objects().await.into_iter();
        objects.map(|(path, _)| path).collect()
    }
}

fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}})
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "template": template("Always")}})
}

fn job(name: &str) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"template": template("Never")}})
}

fn template(restart: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"restartPolicy": restart, "containers": [{"name": "main", "image": "r/web"}]}})
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}})
}

fn sent(writes: &[Sent]) -> Vec<(&str, &str)> {
    writes
        .iter()
        .map(|write| (write.method.as_str(), write.path.as_str()))
        .collect()
}

fn changes(outcome: &Outcome) -> Vec<Change> {
    outcome
        .applied
        .iter()
        .map(|applied| applied.change)
        .collect()
}

#[tokio::test]
async fn the_parent_records_kinds_before_their_members_exist() {
    let shop = Shop::new().await;
    let outcome = shop.apply().await.unwrap();
    assert_eq!(changes(&outcome), [Change::Created; 2]);
    let writes = shop.wire.take_writes();
    assert_eq!(
        sent(&writes),
        [("PATCH", PARENT), ("PATCH", SERVICE), ("PATCH", DEPLOYMENT)]
    );
    assert_eq!(
        writes[0].body["metadata"]["annotations"][KINDS],
        "Deployment.apps,Service"
    );
    let id = &writes[0].body["metadata"]["labels"]["applyset.kubernetes.io/id"];
    assert_eq!(&writes[1].body["metadata"]["labels"][PART_OF], id);
}

#[tokio::test]
async fn an_apply_is_never_forced_unless_taking_over_is_asked_for() {
    let mut shop = Shop::new().await;
    shop.apply().await.unwrap();
    let writes = shop.wire.take_writes();
    assert!(
        writes
            .iter()
            .all(|write| write.query.contains("fieldManager=metaparticle"))
    );
    assert!(
        !writes
            .iter()
            .any(|write| write.query.contains("force=true"))
    );
    shop.request.take_ownership = true;
    shop.apply().await.unwrap();
    assert!(
        shop.wire
            .take_writes()
            .iter()
            .all(|write| write.query.contains("force=true"))
    );
}

#[tokio::test]
async fn an_unchanged_second_run_stores_nothing() {
    let shop = Shop::new().await;
    shop.apply().await.unwrap();
    let before = shop.objects().await;
    let outcome = shop.apply().await.unwrap();
    assert!(outcome.is_unchanged());
    assert_eq!(changes(&outcome), [Change::Unchanged; 2]);
    assert_eq!(shop.objects().await, before);
}

#[tokio::test]
async fn an_object_that_is_no_longer_declared_is_pruned_by_its_identity() {
    let mut shop = Shop::new().await;
    shop.apply().await.unwrap();
    let uid = shop.other.read(SERVICE).await.unwrap()["metadata"]["uid"].clone();
    shop.wire.take_writes();
    shop.request.manifests = vec![deployment()];
    assert_eq!(shop.apply().await.unwrap().pruned, 1);
    let writes = shop.wire.take_writes();
    // The parent forgets the kind only after its members are gone.
    assert_eq!(
        sent(&writes),
        [
            ("PATCH", DEPLOYMENT),
            ("DELETE", SERVICE),
            ("PATCH", PARENT)
        ]
    );
    assert_eq!(writes[1].body["preconditions"]["uid"], uid);
    assert_eq!(shop.recorded_kinds().await, "Deployment.apps");
}

#[tokio::test]
async fn a_run_that_was_interrupted_is_completed_by_the_next() {
    let mut shop = Shop::new().await;
    let write = Requests::all().verb("patch").resource("deployments");
    shop.embedded.faults().server_error(write, 1, 500);
    shop.apply().await.unwrap_err();
    assert_eq!(shop.paths().await, [PARENT, SERVICE]);
    // The next program has no Service any more, and never knew that one was created.
    shop.request.manifests = vec![deployment()];
    shop.apply().await.unwrap();
    assert_eq!(shop.paths().await, [PARENT, DEPLOYMENT]);
}

#[tokio::test]
async fn a_name_that_another_owner_has_is_refused_before_anything_is_written() {
    let shop = Shop::new().await;
    let collection = format!("{DEPLOYMENTS}?fieldManager=kubectl-create");
    shop.other.create(&collection, &deployment()).await;
    let error = shop.apply().await.unwrap_err();
    assert!(
        error.to_string().contains("Deployment/web exists")
            && error.to_string().contains("`kubectl-create`"),
        "{error}"
    );
    assert_eq!(sent(&shop.wire.take_writes()), []);
    assert!(!shop.armed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_parent_name_that_another_owner_has_is_refused_before_anything_is_written() {
    let shop = Shop::new().await;
    shop.other
        .create(CONFIG_MAPS, &config_map("metaparticle-web"))
        .await;
    let error = shop.apply().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("ConfigMap/metaparticle-web exists"),
        "{error}"
    );
    assert_eq!(sent(&shop.wire.take_writes()), []);
}

#[tokio::test]
async fn a_set_of_another_tool_is_left_to_it() {
    let shop = Shop::new().await;
    shop.apply().await.unwrap();
    let tooling = json!({"applyset.kubernetes.io/tooling": "kubectl/v1.33.0"});
    let patch = json!({"metadata": {"annotations": tooling}});
    shop.other.change(PARENT, &patch).await;
    shop.wire.take_writes();
    let error = shop.apply().await.unwrap_err();
    assert!(matches!(error, Error::OtherTool { .. }), "{error}");
    assert_eq!(sent(&shop.wire.take_writes()), []);
}

#[tokio::test]
async fn an_object_that_was_replaced_after_the_look_is_not_overwritten() {
    let shop = Shop::new().await;
    shop.apply().await.unwrap();
    let other = shop.other.clone();
    shop.wire.before(Method::PATCH, SERVICE, async move {
        other.delete(SERVICE).await;
        other.create(SERVICES, &service("web")).await;
    });
    let error = shop.apply().await.unwrap_err();
    assert!(matches!(error, Error::Replaced { .. }), "{error}");
}

#[tokio::test]
async fn a_member_that_left_the_set_after_the_look_is_not_deleted() {
    let mut shop = Shop::new().await;
    shop.apply().await.unwrap();
    shop.request.manifests = vec![deployment()];
    let other = shop.other.clone();
    shop.wire.before(Method::DELETE, SERVICE, async move {
        let patch = json!({"metadata": {"labels": null}});
        other.change(SERVICE, &patch).await;
    });
    assert_eq!(shop.apply().await.unwrap().pruned, 0);
    assert!(shop.other.read(SERVICE).await.is_some());
}

#[tokio::test]
async fn a_member_whose_status_changed_after_the_look_is_deleted_all_the_same() {
    let mut shop = Shop::new().await;
    shop.apply().await.unwrap();
    shop.request.manifests = vec![deployment()];
    let other = shop.other.clone();
    shop.wire.before(Method::DELETE, SERVICE, async move {
        let condition = json!({"type": "Seen", "status": "True", "reason": "Seen", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let patch = json!({"status": {"conditions": [condition]}});
        other.change(&format!("{SERVICE}/status"), &patch).await;
    });
    assert_eq!(shop.apply().await.unwrap().pruned, 1);
    assert!(shop.other.read(SERVICE).await.is_none());
}

#[tokio::test]
async fn earlier_runs_of_a_job_are_kept() {
    let mut shop = Shop::new().await;
    shop.request.manifests = vec![job("web-aaaaa")];
    shop.apply().await.unwrap();
    shop.request.manifests = vec![job("web-bbbbb")];
    let outcome = shop.apply().await.unwrap();
    assert_eq!(outcome.pruned, 0);
    assert_eq!(shop.paths().await.len(), 3);
}

#[tokio::test]
async fn a_namespace_is_created_only_if_asked_for() {
    let mut shop = Shop::new().await;
    shop.cluster = Cluster::for_tests(shop.wire.client(shop.embedded.client(), None), "elsewhere");
    let error = shop.apply().await.unwrap_err();
    assert!(matches!(error, Error::NoNamespace { .. }), "{error}");
    assert_eq!(sent(&shop.wire.take_writes()), []);
    shop.request.create_namespace = true;
    shop.apply().await.unwrap();
    assert_eq!(
        sent(&shop.wire.take_writes())[0],
        ("POST", "/api/v1/namespaces")
    );
}

#[tokio::test]
async fn a_namespace_that_may_not_be_read_is_taken_to_exist() {
    let shop = Shop::new().await;
    shop.wire.forbid(Method::GET, "/api/v1/namespaces/shop");
    shop.apply().await.unwrap();
}

#[tokio::test]
async fn the_preflight_finds_what_is_in_the_way_and_writes_nothing() {
    let shop = Shop::new().await;
    apply::preflight(&shop.cluster, &shop.request)
        .await
        .unwrap();
    shop.other.create(SERVICES, &service("web")).await;
    let error = apply::preflight(&shop.cluster, &shop.request)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Collision { .. }), "{error}");
    assert_eq!(sent(&shop.wire.take_writes()), []);
}

#[tokio::test]
async fn down_deletes_exactly_the_members_and_the_parent_last() {
    let shop = Shop::new().await;
    shop.apply().await.unwrap();
    let mut others = service("others");
    others["metadata"]["labels"] = json!({PART_OF: "applyset-x-v1"});
    shop.other.create(SERVICES, &service("other")).await;
    shop.other.create(SERVICES, &others).await;
    shop.other.create(CONFIG_MAPS, &config_map("web")).await;
    let mut neighbours = shop.objects().await;
    neighbours.retain(|(path, _)| ![PARENT, SERVICE, DEPLOYMENT].contains(&path.as_str()));
    assert_eq!(neighbours.len(), 3);
    shop.wire.take_writes();
    assert_eq!(shop.down().await, 2);
    let writes = shop.wire.take_writes();
    assert_eq!(
        sent(&writes),
        [
            ("DELETE", DEPLOYMENT),
            ("DELETE", SERVICE),
            ("DELETE", PARENT)
        ]
    );
    assert!(
        writes
            .iter()
            .all(|write| write.body["preconditions"]["uid"].is_string())
    );
    assert_eq!(shop.objects().await, neighbours);
}

#[tokio::test]
async fn down_of_nothing_changes_nothing() {
    let shop = Shop::new().await;
    shop.apply().await.unwrap();
    shop.down().await;
    shop.wire.take_writes();
    assert_eq!(shop.down().await, 0);
    assert_eq!(sent(&shop.wire.take_writes()), []);
}

#[tokio::test]
async fn down_finds_members_whose_parent_was_deleted_alone() {
    let shop = Shop::new().await;
    shop.apply().await.unwrap();
    shop.other.delete(PARENT).await;
    assert_eq!(shop.down().await, 2);
    assert_eq!(shop.paths().await, [""; 0]);
}

#[tokio::test]
async fn down_leaves_a_config_map_that_only_has_the_parents_name() {
    let shop = Shop::new().await;
    shop.other
        .create(CONFIG_MAPS, &config_map("metaparticle-web"))
        .await;
    assert_eq!(shop.down().await, 0);
    assert!(shop.other.read(PARENT).await.is_some());
}
