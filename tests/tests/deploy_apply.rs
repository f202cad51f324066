//! Apply, prune and `down`: which requests are sent, in which order, and what is left alone.

mod fake_api;

use std::sync::atomic::{AtomicBool, Ordering};

use fake_api::{FakeApi, Recorded};
use http::Method;
use metaparticle::deploy::{
    apply::{self, Change, Error, Outcome, Request},
    cluster::Cluster,
    down::down,
    report::Report,
};
use serde_json::{Value, json};

const PARENT: &str = "/api/v1/namespaces/shop/configmaps/metaparticle-web";
const SERVICE: &str = "/api/v1/namespaces/shop/services/web";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
const PART_OF: &str = "applyset.kubernetes.io/part-of";

/// An application with a fake API server.
struct Shop {
    api: FakeApi,
    cluster: Cluster,
    request: Request,
    armed: AtomicBool,
}

impl Shop {
    fn new() -> Self {
        let api = FakeApi::with_namespace("shop");
        Self {
            cluster: Cluster::for_tests(api.client(), "shop"),
            api,
            request: Request {
                app: "web".into(),
                manifests: vec![service(), deployment()],
                take_ownership: false,
                create_namespace: false,
            },
            armed: AtomicBool::new(false),
        }
    }

    async fn apply(&self) -> Result<Outcome, Error> {
        apply::apply(
            &self.cluster,
            &self.request,
            &Report::capture(),
            &self.armed,
        )
        .await
    }

    async fn down(&self) -> usize {
        down(&self.cluster, "web", &Report::capture())
            .await
            .expect("down succeeds")
    }

    fn recorded_kinds(&self) -> String {
        let parent = self.api.object(PARENT).expect("the parent");
        parent["metadata"]["annotations"][KINDS]
            .as_str()
            .expect("kinds")
            .to_owned()
    }
}

fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "ClusterIP"}})
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 4}})
}

fn job(name: &str) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {}})
}

fn sent(writes: &[Recorded]) -> Vec<(&str, &str)> {
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
    let shop = Shop::new();
    let outcome = shop.apply().await.unwrap();
    assert_eq!(changes(&outcome), [Change::Created; 2]);
    let writes = shop.api.take_writes();
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
    let mut shop = Shop::new();
    shop.apply().await.unwrap();
    let writes = shop.api.take_writes();
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
        shop.api
            .take_writes()
            .iter()
            .all(|write| write.query.contains("force=true"))
    );
}

#[tokio::test]
async fn an_unchanged_second_run_stores_nothing() {
    let shop = Shop::new();
    shop.apply().await.unwrap();
    let before = shop.api.objects();
    let outcome = shop.apply().await.unwrap();
    assert!(outcome.is_unchanged());
    assert_eq!(changes(&outcome), [Change::Unchanged; 2]);
    assert_eq!(shop.api.objects(), before);
}

#[tokio::test]
async fn an_object_that_is_no_longer_declared_is_pruned_by_its_identity() {
    let mut shop = Shop::new();
    shop.apply().await.unwrap();
    let uid = shop.api.object(SERVICE).unwrap()["metadata"]["uid"].clone();
    shop.api.take_writes();
    shop.request.manifests = vec![deployment()];
    assert_eq!(shop.apply().await.unwrap().pruned, 1);
    let writes = shop.api.take_writes();
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
    assert_eq!(shop.recorded_kinds(), "Deployment.apps");
}

#[tokio::test]
async fn a_run_that_was_interrupted_is_completed_by_the_next() {
    let mut shop = Shop::new();
    shop.api.refuse(Method::PATCH, DEPLOYMENT, 403, "Forbidden");
    shop.apply().await.unwrap_err();
    assert_eq!(shop.api.paths(), [PARENT, SERVICE]);
    // The next program has no Service any more, and never knew that one was created.
    shop.request.manifests = vec![deployment()];
    shop.apply().await.unwrap();
    assert_eq!(shop.api.paths(), [PARENT, DEPLOYMENT]);
}

#[tokio::test]
async fn a_name_that_another_owner_has_is_refused_before_anything_is_written() {
    let shop = Shop::new();
    shop.api.put(
        DEPLOYMENT,
        json!({"metadata": {"managedFields": [{"manager": "kubectl-create"}]}}),
    );
    let error = shop.apply().await.unwrap_err();
    assert!(
        error.to_string().contains("Deployment/web exists")
            && error.to_string().contains("`kubectl-create`"),
        "{error}"
    );
    assert_eq!(sent(&shop.api.take_writes()), []);
    assert!(!shop.armed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_parent_name_that_another_owner_has_is_refused_before_anything_is_written() {
    let shop = Shop::new();
    shop.api.put(PARENT, json!({"data": {"a": "b"}}));
    let error = shop.apply().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("ConfigMap/metaparticle-web exists"),
        "{error}"
    );
    assert_eq!(sent(&shop.api.take_writes()), []);
}

#[tokio::test]
async fn a_set_of_another_tool_is_left_to_it() {
    let shop = Shop::new();
    shop.apply().await.unwrap();
    let mut parent = shop.api.object(PARENT).unwrap();
    parent["metadata"]["annotations"]["applyset.kubernetes.io/tooling"] = "kubectl/v1.33.0".into();
    shop.api.put(PARENT, parent);
    shop.api.take_writes();
    let error = shop.apply().await.unwrap_err();
    assert!(matches!(error, Error::OtherTool { .. }), "{error}");
    assert_eq!(sent(&shop.api.take_writes()), []);
}

#[tokio::test]
async fn an_object_that_was_replaced_after_the_look_is_not_overwritten() {
    let shop = Shop::new();
    shop.apply().await.unwrap();
    shop.api.intercept(Method::PATCH, SERVICE, |objects| {
        objects.get_mut(SERVICE)?["metadata"]["uid"] = "another".into();
        None
    });
    let error = shop.apply().await.unwrap_err();
    assert!(matches!(error, Error::Replaced { .. }), "{error}");
}

#[tokio::test]
async fn a_member_that_left_the_set_after_the_look_is_not_deleted() {
    let mut shop = Shop::new();
    shop.apply().await.unwrap();
    shop.request.manifests = vec![deployment()];
    shop.api.intercept(Method::DELETE, SERVICE, |objects| {
        let metadata = &mut objects.get_mut(SERVICE)?["metadata"];
        metadata["labels"] = json!({});
        metadata["resourceVersion"] = "999".into();
        None
    });
    assert_eq!(shop.apply().await.unwrap().pruned, 0);
    assert!(shop.api.object(SERVICE).is_some());
}

#[tokio::test]
async fn a_member_whose_status_changed_after_the_look_is_deleted_all_the_same() {
    let mut shop = Shop::new();
    shop.apply().await.unwrap();
    shop.request.manifests = vec![deployment()];
    shop.api.intercept(Method::DELETE, SERVICE, |objects| {
        objects.get_mut(SERVICE)?["metadata"]["resourceVersion"] = "999".into();
        None
    });
    assert_eq!(shop.apply().await.unwrap().pruned, 1);
    assert!(shop.api.object(SERVICE).is_none());
}

#[tokio::test]
async fn earlier_runs_of_a_job_are_kept() {
    let mut shop = Shop::new();
    shop.request.manifests = vec![job("web-aaaaa")];
    shop.apply().await.unwrap();
    shop.request.manifests = vec![job("web-bbbbb")];
    let outcome = shop.apply().await.unwrap();
    assert_eq!(outcome.pruned, 0);
    assert_eq!(shop.api.paths().len(), 3);
}

#[tokio::test]
async fn a_namespace_is_created_only_if_asked_for() {
    let mut shop = Shop::new();
    shop.cluster = Cluster::for_tests(shop.api.client(), "elsewhere");
    let error = shop.apply().await.unwrap_err();
    assert!(matches!(error, Error::NoNamespace { .. }), "{error}");
    assert_eq!(sent(&shop.api.take_writes()), []);
    shop.request.create_namespace = true;
    shop.apply().await.unwrap();
    assert_eq!(
        sent(&shop.api.take_writes())[0],
        ("POST", "/api/v1/namespaces")
    );
}

#[tokio::test]
async fn a_namespace_that_may_not_be_read_is_taken_to_exist() {
    let shop = Shop::new();
    shop.api
        .refuse(Method::GET, "/api/v1/namespaces/shop", 403, "Forbidden");
    shop.apply().await.unwrap();
}

#[tokio::test]
async fn the_preflight_finds_what_is_in_the_way_and_writes_nothing() {
    let shop = Shop::new();
    apply::preflight(&shop.cluster, &shop.request)
        .await
        .unwrap();
    shop.api.put(SERVICE, json!({}));
    let error = apply::preflight(&shop.cluster, &shop.request)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Collision { .. }), "{error}");
    assert_eq!(sent(&shop.api.take_writes()), []);
}

#[tokio::test]
async fn down_deletes_exactly_the_members_and_the_parent_last() {
    let shop = Shop::new();
    shop.apply().await.unwrap();
    let neighbours = [
        ("/api/v1/namespaces/shop/services/other", json!({})),
        (
            "/api/v1/namespaces/shop/services/others",
            json!({"metadata": {"labels": {PART_OF: "applyset-x-v1"}}}),
        ),
        (
            "/api/v1/namespaces/shop/configmaps/web",
            json!({"data": {"a": "b"}}),
        ),
    ];
    for (path, object) in &neighbours {
        shop.api.put(path, object.clone());
    }
    let before: Vec<_> = neighbours
        .iter()
        .map(|(path, _)| shop.api.object(path))
        .collect();
    shop.api.take_writes();
    assert_eq!(shop.down().await, 2);
    let writes = shop.api.take_writes();
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
    let after: Vec<_> = neighbours
        .iter()
        .map(|(path, _)| shop.api.object(path))
        .collect();
    assert_eq!(after, before);
}

#[tokio::test]
async fn down_of_nothing_changes_nothing() {
    let shop = Shop::new();
    shop.apply().await.unwrap();
    shop.down().await;
    shop.api.take_writes();
    assert_eq!(shop.down().await, 0);
    assert_eq!(sent(&shop.api.take_writes()), []);
}

#[tokio::test]
async fn down_finds_members_whose_parent_was_deleted_alone() {
    let shop = Shop::new();
    shop.apply().await.unwrap();
    let client: kube::Api<k8s_openapi::api::core::v1::ConfigMap> =
        kube::Api::namespaced(shop.api.client(), "shop");
    client
        .delete("metaparticle-web", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(shop.down().await, 2);
    assert_eq!(shop.api.paths(), [""; 0]);
}

#[tokio::test]
async fn down_leaves_a_config_map_that_only_has_the_parents_name() {
    let shop = Shop::new();
    shop.api.put(PARENT, json!({"data": {"a": "b"}}));
    assert_eq!(shop.down().await, 0);
    assert!(shop.api.object(PARENT).is_some());
}
