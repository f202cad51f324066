//! Each endpoint of rule F3 on a real API server with the admission policy: those that refuse the deposed, and those that
//! do not, of which the fenced client makes no use.

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, EvictParams, Patch, PatchParams, PostParams},
    core::DynamicObject,
};
use serde_json::{Value, json};

use super::{KEY, Server, hold, merge, token};
use crate::{fence::Error, lost::Lost};

const ON_A_REAL_ONE: &str = "a real API server: cargo xtask contract";

/// Whether the policy refused, with what was stated.
fn refused<T: std::fmt::Debug>(answer: kube::Result<T>, stated: &str) {
    let error = answer.expect_err("the policy refuses");
    let words = format!("metaparticle fencing: {KEY} is 6, the update states {stated}");
    assert!(error.to_string().contains(&words), "{error}");
}

macro_rules! on_a_real_one {
    ($(async fn $name:ident($server:ident) $body:block)*) => {$(
        #[tokio::test]
        #[ignore = "needs a real API server: cargo xtask contract"]
        async fn $name() {
            let $server = Server::fencing().await;
            $body
            $server.end().await;
        }
    )*};
}

on_a_real_one! {
    async fn put_of_the_deposed_is_refused(server) {
        let mut map = server.map("prices", Some(6)).await;
        map.annotations_mut().insert(KEY.to_owned(), "5".to_owned());
        refused(server.maps().replace("prices", &PostParams::default(), &map).await, "5");
        map.metadata.annotations = None;
        refused(server.maps().replace("prices", &PostParams::default(), &map).await, "none");
        map.annotations_mut().insert(KEY.to_owned(), "-7".to_owned());
        refused(server.maps().replace("prices", &PostParams::default(), &map).await, "-7");
        map.annotations_mut().insert(KEY.to_owned(), "6".to_owned());
        server.maps().replace("prices", &PostParams::default(), &map).await.unwrap();
    }

    async fn patches_of_the_deposed_are_refused_in_each_form(server) {
        server.map("prices", Some(6)).await;
        let (maps, none) = (server.maps(), PatchParams::default());
        refused(maps.patch("prices", &none, &Patch::Merge(token(5))).await, "5");
        refused(maps.patch("prices", &none, &Patch::Strategic(token(5))).await, "5");
        let mut whole = token(5);
        whole["apiVersion"] = "v1".into();
        whole["kind"] = "ConfigMap".into();
        let force = PatchParams::apply("deposed").force();
        refused(maps.patch("prices", &force, &Patch::Apply(&whole)).await, "5");
        let off = json!({ "metadata": { "annotations": { KEY: null } } });
        refused(maps.patch("prices", &none, &Patch::Merge(off)).await, "none");
        maps.patch("prices", &none, &Patch::Merge(token(7))).await.unwrap();
    }

    async fn patch_that_states_no_token_inherits_it_and_passes(server) {
        server.map("prices", Some(6)).await;
        let silent = json!({ "data": { "said": "by anybody" } });
        let map = merge(&server.maps(), "prices", None, &silent).await.unwrap();
        assert_eq!(map.annotations()[KEY], "6");
    }

    async fn tokens_of_other_elections_are_not_compared(server) {
        server.map("prices", Some(6)).await;
        let other = json!({ "metadata": { "annotations": { "lock.metaparticle.dev/billing": "1" } } });
        merge(&server.maps(), "prices", None, &other).await.unwrap();
    }

    async fn fenced_patch_passes_for_the_holder_and_deposes_the_other(server) {
        server.map("prices", None).await;
        let ((_first, old), (_second, new)) = (hold(5), hold(6));
        let mut mine = old.api(server.maps()).claim("prices").await.unwrap();
        let say = |text: &str| Patch::Merge(json!({ "data": { "said": text } }));
        let params = PatchParams::default();
        assert_eq!(mine.patch(&params, &say("old")).await.unwrap().annotations()[KEY], "5");
        let mut theirs = new.api(server.maps()).claim("prices").await.unwrap();
        let error = mine.patch(&params, &say("stale")).await.unwrap_err();
        assert!(matches!(error, Error::Lost(Lost::Fenced)), "{error}");
        assert_eq!(old.check(), Err(Lost::Fenced));
        let map = theirs.patch(&params, &say("new")).await.unwrap();
        assert_eq!(map.data.as_ref().unwrap()["said"], "new");
    }

    async fn status_of_a_built_in_kind_is_covered(server) {
        let api = deployment(&server).await;
        refused(merge(&api, "web", Some("status"), &token(5)).await, "5");
        let (_keeper, fence) = hold(6);
        let mut web = fence.api(api).claim("web").await.unwrap();
        let condition = json!({ "type": "Seen", "status": "True", "lastUpdateTime": null, "lastTransitionTime": null });
        let patch = Patch::Merge(json!({ "status": { "conditions": [condition] } }));
        let web = web.patch_subresource("status", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!(web.annotations()[KEY], "6");
    }

    async fn deletion_and_creation_by_the_deposed_pass_without_the_fenced_client(server) {
        server.map("prices", Some(6)).await;
        server.maps().delete("prices", &DeleteParams::default()).await.unwrap();
        let created = server.map("prices", Some(5)).await;
        assert_eq!(created.annotations()[KEY], "5");
    }

    async fn fenced_deletion_by_the_deposed_is_refused(server) {
        server.map("prices", None).await;
        let ((_first, old), (_second, new)) = (hold(5), hold(6));
        let mine = old.api(server.maps()).claim("prices").await.unwrap();
        new.api(server.maps()).claim("prices").await.unwrap();
        let error = mine.delete(&DeleteParams::default()).await.unwrap_err();
        assert!(matches!(error, Error::Lost(Lost::Fenced)), "{error}");
        server.maps().get("prices").await.unwrap();
    }

    async fn scale_is_not_covered_and_refused_by_name(server) {
        let api = deployment(&server).await;
        let mut scale = json!({ "spec": { "replicas": 0 } });
        scale["metadata"] = token(5)["metadata"].clone();
        api.patch_scale("web", &PatchParams::default(), &Patch::Merge(&scale)).await.unwrap();
        assert_eq!(api.get("web").await.unwrap().spec.unwrap().replicas, Some(0));
        let (_keeper, fence) = hold(6);
        let mut web = fence.api(api).claim("web").await.unwrap();
        let text = refused_by_name(web.patch_subresource("scale", &PatchParams::default(), &Patch::Merge(scale)).await);
        assert!(text.starts_with("patch deployments/web/scale is not fenced") && text.contains("`spec.replicas`"), "{text}");
        web.update(|web| web.spec.as_mut().unwrap().replicas = Some(1)).await.unwrap();
    }

    async fn eviction_and_binding_are_not_covered_and_refused_by_name(server) {
        let pods: Api<Pod> = Api::namespaced(server.client.clone(), &server.namespace);
        for name in ["evicted", "bound"] {
            pods.create(&PostParams::default(), &pod(name)).await.unwrap();
        }
        let (_keeper, fence) = hold(6);
        let mut bound = fence.api(pods.clone()).claim("bound").await.unwrap();
        for name in ["eviction", "binding"] {
            let patch = Patch::Merge(json!({}));
            let text = refused_by_name(bound.patch_subresource(name, &PatchParams::default(), &patch).await);
            assert!(text.contains(&format!("pods/bound/{name} is not fenced")), "{text}");
        }
        // Past it, nobody is asked.
        pods.evict("evicted", &EvictParams::default()).await.unwrap();
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": { "name": "bound", "annotations": { KEY: "5" } },
            "target": { "apiVersion": "v1", "kind": "Node", "name": "nowhere" },
        });
        let _: Value = pods.create_subresource("binding", "bound", &PostParams::default(), &binding).await.unwrap();
    }

    async fn status_of_a_custom_resource_is_not_covered_by_the_policy_but_by_compare_and_swap(server) {
        let kind = Kinds::create(&server).await;
        let (_first, old) = hold(5);
        let (_second, new) = hold(6);
        let mut mine = old.api(kind.api.clone()).claim("w").await.unwrap();
        let text = refused_by_name(
            mine.patch_subresource("status", &PatchParams::default(), &Patch::Merge(json!({ "status": {} }))).await,
        );
        assert!(text.contains("use `update_status`"), "{text}");
        let seen = |by: &'static str| move |w: &mut DynamicObject| w.data["status"] = json!({ "by": by });
        mine.update_status(seen("old")).await.unwrap();

        let mut theirs = new.api(kind.api.clone()).claim("w").await.unwrap();
        // Past the fenced client the deposed gets through: the server drops what is said about metadata there.
        let mut stale = token(5);
        stale["status"] = json!({ "by": "stale" });
        let w = merge(&kind.api, "w", Some("status"), &stale).await.unwrap();
        assert_eq!((&*w.annotations()[KEY], &w.data["status"]["by"]), ("6", &json!("stale")));
        // With it, not.
        let error = mine.update_status(seen("old again")).await.unwrap_err();
        assert!(matches!(error, Error::Lost(Lost::Fenced)), "{error}");
        let w = theirs.update_status(seen("new")).await.unwrap();
        assert_eq!(w.data["status"]["by"], "new");
        kind.delete(&server).await;
    }
}

fn refused_by_name<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    match answer {
        Err(Error::NotFenced(refusal)) => refusal.to_string(),
        other => panic!("{ON_A_REAL_ONE}: {other:?}"),
    }
}

/// A Deployment without pods that bears the token 6.
async fn deployment(server: &Server) -> Api<Deployment> {
    let api: Api<Deployment> = Api::namespaced(server.client.clone(), &server.namespace);
    let labels = json!({ "app": "web" });
    let deployment = json!({
        "metadata": { "name": "web", "annotations": { KEY: "6" } },
        "spec": {
            "replicas": 0, "paused": true, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": "none" }] } },
        },
    });
    let deployment = serde_json::from_value(deployment).unwrap();
    api.create(&PostParams::default(), &deployment)
        .await
        .unwrap();
    api
}

/// A Pod that no scheduler takes, and that bears the token 6.
fn pod(name: &str) -> Pod {
    let pod = json!({
        "metadata": { "name": name, "annotations": { KEY: "6" } },
        "spec": { "schedulerName": "nobody", "containers": [{ "name": "c", "image": "none" }] },
    });
    serde_json::from_value(pod).unwrap()
}

/// A kind of its own, with `/status`, and one object of it.
struct Kinds {
    definition: String,
    api: Api<DynamicObject>,
}

impl Kinds {
    async fn create(server: &Server) -> Self {
        let group = format!("{}.example.com", server.namespace);
        let definition = format!("widgets.{group}");
        let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let object = json!({
            "metadata": { "name": definition },
            "spec": {
                "group": group, "scope": "Namespaced", "names": { "plural": "widgets", "kind": "Widget" },
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "subresources": { "status": {} }, "schema": { "openAPIV3Schema": schema },
                }],
            },
        });
        let object = serde_json::from_value(object).unwrap();
        let definitions: Api<CustomResourceDefinition> = Api::all(server.client.clone());
        definitions
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        let api = server.api(&group, "v1", "Widget");
        let widget = json!({ "apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": { "name": "w" } });
        let widget = serde_json::from_value(widget).unwrap();
        while let Err(error) = api.create(&PostParams::default(), &widget).await {
            assert!(
                matches!(&error, kube::Error::Api(status) if status.code == 404),
                "{error}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Self { definition, api }
    }

    async fn delete(&self, server: &Server) {
        let definitions: Api<CustomResourceDefinition> = Api::all(server.client.clone());
        definitions
            .delete(&self.definition, &DeleteParams::default())
            .await
            .unwrap();
    }
}
