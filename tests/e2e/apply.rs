//! Apply, prune and `down` on a real API server: ownership, immutability and identity are its word, not a fake's.

use std::{collections::BTreeMap, sync::atomic::AtomicBool, time::Duration};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace as K8sNamespace, Service, ServiceAccount},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use metaparticle::deploy::{
    apply::{self, Change, Error, Outcome, Request},
    cluster::Cluster,
    down::down,
    report::{Event, Report, State},
};
use metaparticle_spec::{AppSpec, render::manifests};
use serde_json::json;

use crate::harness::Namespace;

/// Kinds of everything that is generated, and of what stands beside it.
const KINDS: [(&str, &str, &str); 7] = [
    ("", "v1", "ConfigMap"),
    ("", "v1", "Service"),
    ("", "v1", "ServiceAccount"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "StatefulSet"),
    ("batch", "v1", "Job"),
    ("policy", "v1", "PodDisruptionBudget"),
];

/// A service whose pods never start, which is no matter here.
pub(crate) fn spec(replicas: u32) -> AppSpec {
    serde_json::from_value(json!({
        "name": "web", "repository": null, "tag": "1", "namespace": null, "context": null, "ports": ["8080"],
        "public": false, "env": {}, "resources": {}, "probes": {}, "base": null, "on_exit": "detach",
        "coordination": false, "policy": false, "workload": {"replicated": {"replicas": replicas}},
    }))
    .expect("a valid specification")
}

pub(crate) fn request(spec: &AppSpec) -> Request {
    Request {
        app: spec.name.to_string(),
        manifests: manifests(spec, "127.0.0.1:5000/none:1"),
        take_ownership: false,
        create_namespace: false,
    }
}

pub(crate) fn cluster(namespace: &Namespace) -> Cluster {
    Cluster::for_tests(namespace.client.clone(), &namespace.name)
}

pub(crate) async fn apply(cluster: &Cluster, request: &Request) -> Result<Outcome, Error> {
    apply::apply(
        cluster,
        request,
        &Report::capture(),
        &AtomicBool::new(false),
    )
    .await
}

/// Every object of [`KINDS`], whole, by kind and name; but what Kubernetes puts into each namespace.
async fn everything(cluster: &Cluster) -> BTreeMap<String, serde_json::Value> {
    let given = ["ConfigMap/kube-root-ca.crt", "ServiceAccount/default"];
    let mut found = BTreeMap::new();
    for (group, version, kind) in KINDS {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = cluster.api(&resource);
        for object in api.list(&ListParams::default()).await.expect("listed") {
            let name = format!("{kind}/{}", object.name_any());
            if !given.contains(&name.as_str()) {
                found.insert(name, serde_json::to_value(&object).expect("JSON"));
            }
        }
    }
    found
}

fn names(objects: &BTreeMap<String, serde_json::Value>) -> Vec<&str> {
    objects.keys().map(String::as_str).collect()
}

/// Objects of others: of the same kinds, and as similar as can be.
async fn neighbours(namespace: &Namespace) {
    let configs = namespace.api::<ConfigMap>();
    let services = namespace.api::<Service>();
    let config = json!({"metadata": {"name": "web"}, "data": {"a": "b"}});
    let service = json!({
        "metadata": {"name": "web-metrics", "labels": {
            "metaparticle.dev/app": "web", "app.kubernetes.io/managed-by": "metaparticle",
            "applyset.kubernetes.io/part-of": "applyset-of-somebody-else-v1",
        }},
        "spec": {"selector": {"metaparticle.dev/app": "web"}, "ports": [{"port": 9090}]},
    });
    let params = PostParams {
        field_manager: Some("neighbour".into()),
        ..PostParams::default()
    };
    configs
        .create(&params, &serde_json::from_value(config).expect("valid"))
        .await
        .expect("created");
    services
        .create(&params, &serde_json::from_value(service).expect("valid"))
        .await
        .expect("created");
}

#[tokio::test]
async fn a_second_apply_stores_nothing() {
    let namespace = Namespace::create("unchanged").await;
    let cluster = cluster(&namespace);
    let mut spec = spec(2);
    spec.coordination = true;
    let first = apply(&cluster, &request(&spec)).await.expect("applied");
    assert!(
        first
            .applied
            .iter()
            .all(|object| object.change == Change::Created)
    );
    let second = apply(&cluster, &request(&spec)).await.expect("applied");
    // Controllers write status in the meantime; what we wrote ourselves must come back unchanged once they are done.
    let third = apply(&cluster, &request(&spec)).await.expect("applied");
    for outcome in [second, third] {
        let generations: Vec<_> = outcome
            .applied
            .iter()
            .map(|object| object.generation)
            .collect();
        assert_eq!(
            generations,
            first
                .applied
                .iter()
                .map(|object| object.generation)
                .collect::<Vec<_>>()
        );
        assert_eq!(outcome.pruned, 0);
    }
    namespace.delete().await;
}

#[tokio::test]
async fn what_is_no_longer_declared_is_pruned_and_neighbours_stay_byte_for_byte() {
    let namespace = Namespace::create("prune").await;
    let cluster = cluster(&namespace);
    neighbours(&namespace).await;
    let before = everything(&cluster).await;

    let mut spec = spec(2);
    apply(&cluster, &request(&spec)).await.expect("applied");
    let deployed = everything(&cluster).await;
    assert_eq!(
        names(&deployed),
        [
            "ConfigMap/metaparticle-web",
            "ConfigMap/web",
            "Deployment/web",
            "PodDisruptionBudget/web",
            "Service/web",
            "Service/web-metrics",
            "ServiceAccount/web",
        ]
    );

    // One replica, no port: neither Service nor disruption budget.
    spec.ports.clear();
    spec.workload = serde_json::from_value(json!({"replicated": {"replicas": 1}})).expect("valid");
    let outcome = apply(&cluster, &request(&spec)).await.expect("applied");
    assert_eq!(outcome.pruned, 2);
    let pruned = everything(&cluster).await;
    assert_eq!(
        names(&pruned),
        [
            "ConfigMap/metaparticle-web",
            "ConfigMap/web",
            "Deployment/web",
            "Service/web-metrics",
            "ServiceAccount/web",
        ]
    );

    let deleted = down(&cluster, "web", &Report::capture())
        .await
        .expect("down");
    assert_eq!(deleted, 2);
    assert_eq!(everything(&cluster).await, before);
    assert_eq!(
        down(&cluster, "web", &Report::capture())
            .await
            .expect("down"),
        0
    );
    namespace.delete().await;
}

#[tokio::test]
async fn a_field_that_another_manager_set_is_refused_with_its_name_until_it_is_taken_over() {
    let namespace = Namespace::create("conflict").await;
    let cluster = cluster(&namespace);
    let mut request = request(&spec(2));
    apply(&cluster, &request).await.expect("applied");
    let deployments = namespace.api::<Deployment>();
    let scaler = PatchParams {
        field_manager: Some("autoscaler".into()),
        ..PatchParams::default()
    };
    let scale = json!({"spec": {"replicas": 1}});
    deployments
        .patch_scale("web", &scaler, &Patch::Merge(&scale))
        .await
        .expect("scaled");

    let error = apply(&cluster, &request).await.expect_err("refused");
    let text = error.to_string();
    assert!(matches!(error, Error::FieldConflict { .. }), "{text}");
    assert!(
        text.contains("autoscaler") && text.contains(".spec.replicas"),
        "{text}"
    );
    let replicas = async || {
        deployments
            .get("web")
            .await
            .expect("read")
            .spec
            .and_then(|spec| spec.replicas)
    };
    assert_eq!(replicas().await, Some(1));

    request.take_ownership = true;
    apply(&cluster, &request).await.expect("taken over");
    assert_eq!(replicas().await, Some(2));
    namespace.delete().await;
}

#[tokio::test]
async fn a_name_of_another_owner_is_refused_and_nothing_is_created() {
    let namespace = Namespace::create("collision").await;
    let cluster = cluster(&namespace);
    let other = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"ports": [{"port": 1}], "selector": {"a": "b"}},
    });
    let params = PatchParams::apply("other-tool");
    let services = namespace.api::<Service>();
    services
        .patch("web", &params, &Patch::Apply(&other))
        .await
        .expect("created");
    let before = everything(&cluster).await;
    let error = apply(&cluster, &request(&spec(1)))
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("`other-tool`"), "{error}");
    assert_eq!(everything(&cluster).await, before);
    namespace.delete().await;
}

#[tokio::test]
async fn an_immutable_field_is_named() {
    let namespace = Namespace::create("immutable").await;
    let cluster = cluster(&namespace);
    let mut request = request(&spec(1));
    apply(&cluster, &request).await.expect("applied");
    let deployment = request
        .manifests
        .iter_mut()
        .find(|it| it["kind"] == "Deployment")
        .expect("one");
    deployment["spec"]["selector"]["matchLabels"]["new"] = "label".into();
    deployment["spec"]["template"]["metadata"]["labels"]["new"] = "label".into();
    let error = apply(&cluster, &request).await.expect_err("refused");
    assert!(
        matches!(&error, Error::Immutable { fields, .. } if fields == "`spec.selector`"),
        "{error}"
    );
    namespace.delete().await;
}

#[tokio::test]
async fn an_object_that_is_still_going_is_waited_for_and_created_anew() {
    let namespace = Namespace::create("going").await;
    let cluster = cluster(&namespace);
    let request = request(&spec(1));
    apply(&cluster, &request).await.expect("applied");
    let accounts = namespace.api::<ServiceAccount>();
    let finalizers = async |finalizers: serde_json::Value| {
        let patch = json!({"metadata": {"finalizers": finalizers}});
        let params = PatchParams::default();
        accounts
            .patch("web", &params, &Patch::Merge(&patch))
            .await
            .expect("patched")
    };
    let old = finalizers(json!(["metaparticle.dev/held-by-a-test"])).await;
    accounts
        .delete("web", &DeleteParams::default())
        .await
        .expect("deleted");

    let report = Report::capture();
    let (told, armed) = (report.clone(), AtomicBool::new(false));
    let applying = apply::apply(&cluster, &request, &report, &armed);
    let releasing = async {
        let waits = |event: &Event| {
            matches!(
                event,
                Event::Progress {
                    state: State::Running,
                    ..
                }
            )
        };
        while !told.captured().iter().any(waits) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        finalizers(json!(null)).await;
    };
    let (applied, ()) = tokio::join!(applying, releasing);
    assert_eq!(applied.expect("applied").applied[0].change, Change::Created);
    let new = accounts.get("web").await.expect("created anew");
    assert!(new.metadata.deletion_timestamp.is_none());
    assert_ne!(new.uid(), old.uid());
    namespace.delete().await;
}

#[tokio::test]
async fn a_namespace_is_created_if_asked_for() {
    let namespace = Namespace::create("parent").await;
    let name = format!("{}-child", namespace.name);
    let cluster = Cluster::for_tests(namespace.client.clone(), &name);
    let mut request = request(&spec(1));
    let error = apply(&cluster, &request).await.expect_err("refused");
    assert!(matches!(error, Error::NoNamespace { .. }), "{error}");
    request.create_namespace = true;
    apply(&cluster, &request).await.expect("applied");
    let all: Api<K8sNamespace> = Api::all(namespace.client.clone());
    all.delete(&name, &DeleteParams::default())
        .await
        .expect("deleted");
    let error = apply(&cluster, &request).await.expect_err("it is going");
    assert!(
        matches!(error, Error::NamespaceGoing { .. } | Error::Cluster(_)),
        "{error}"
    );
    namespace.delete().await;
}
