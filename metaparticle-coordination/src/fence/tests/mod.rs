//! The fenced client on the embedded API, and, with `METAPARTICLE_TEST_KUBECONFIG`, on a real API server. What only a real
//! one has (admission policies, custom resources) is ignored unless `cargo xtask contract` asks for it.

mod endpoints;
mod holder;
mod lease_rule;
mod race;

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use metaparticle_local::Cluster;
use metaparticle_protocol::{
    fence::{Kind, policy},
    lease::Token,
};
use serde_json::{Value, json};

use super::{Fence, admission_policy};
use crate::{
    clock::Clock,
    word::{Keeper, incarnation},
};

const LEASE: Duration = Duration::from_secs(60);
const KEY: &str = "election.metaparticle.dev/billing";

/// A namespace of one test.
struct Server {
    client: Client,
    namespace: String,
    is_real: bool,
    _embedded: Option<Cluster>,
}

impl Server {
    /// On the real API server if one is named, else on the embedded one.
    async fn start() -> Self {
        if let Ok(path) = std::env::var("METAPARTICLE_TEST_KUBECONFIG") {
            return Self::with(real(&path).await, None).await;
        }
        let cluster = Cluster::start().await;
        Self::with(cluster.client(), Some(cluster)).await
    }

    /// On the real API server, which refuses lower tokens.
    async fn fencing() -> Self {
        let path = std::env::var("METAPARTICLE_TEST_KUBECONFIG");
        let path = path.expect("METAPARTICLE_TEST_KUBECONFIG names a real API server");
        let server = Self::with(real(&path).await, None).await;
        let (policy, binding) = admission_policy();
        let params = PatchParams::apply("metaparticle").force();
        let client = &server.client;
        let policy = Api::all(client.clone())
            .patch(policy::NAME, &params, &Patch::Apply(typed(&policy)))
            .await;
        let _: k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy =
            policy.expect("the policy is taken");
        let binding = Api::all(client.clone())
            .patch(policy::NAME, &params, &Patch::Apply(typed(&binding)))
            .await;
        let _: k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding =
            binding.expect("the binding is taken");
        server.refuses().await;
        server
    }

    /// Waits until the policy takes effect.
    async fn refuses(&self) {
        let maps = self.maps();
        self.map("probe", Some(9)).await;
        while merge(&maps, "probe", None, &token(8)).await.is_ok() {
            merge(&maps, "probe", None, &token(9))
                .await
                .expect("raised");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn with(client: Client, embedded: Option<Cluster>) -> Self {
        let namespace = json!({ "metadata": { "generateName": "fence-" } });
        let namespace: Namespace = serde_json::from_value(namespace).unwrap();
        let created = Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .expect("a namespace");
        Self {
            client,
            namespace: created.metadata.name.expect("a created object has a name"),
            is_real: embedded.is_none(),
            _embedded: embedded,
        }
    }

    fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn api(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// A ConfigMap, bearing a token or none.
    async fn map(&self, name: &str, token: Option<u64>) -> ConfigMap {
        let annotations = token.map(|token| json!({ KEY: token.to_string() }));
        let map = json!({ "metadata": { "name": name, "annotations": annotations } });
        let map = serde_json::from_value(map).unwrap();
        let created = self.maps().create(&PostParams::default(), &map).await;
        created.expect("created")
    }

    async fn end(self) {
        if self.is_real {
            let namespaces: Api<Namespace> = Api::all(self.client.clone());
            let params = DeleteParams::default();
            let deleted = namespaces.delete(&self.namespace, &params).await;
            deleted.expect("deleted");
        }
    }
}

async fn real(path: &str) -> Client {
    let file = Kubeconfig::read_from(path).expect("a kubeconfig");
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options).await;
    Client::try_from(config.expect("a config")).expect("a client")
}

/// An object with the fields that server-side apply wants to see.
fn typed<K: kube::Resource<DynamicType = ()> + serde::Serialize>(object: &K) -> Value {
    let mut object = serde_json::to_value(object).unwrap();
    object["apiVersion"] = K::api_version(&()).into();
    object["kind"] = K::kind(&()).into();
    object
}

/// A hold of the election `billing` with a token.
fn hold(token: u64) -> (Keeper, Fence) {
    let clock = Clock::system();
    let (keeper, held) = incarnation(clock, clock.now() + LEASE);
    let fence = Fence::new(Kind::Election, "billing".into(), Token(token), held);
    (keeper, fence)
}

/// A merge patch that states a token.
fn token(token: u64) -> Value {
    json!({ "metadata": { "annotations": { KEY: token.to_string() } } })
}

/// Sends a merge patch past the fenced client.
async fn merge<K>(
    api: &Api<K>,
    name: &str,
    subresource: Option<&str>,
    patch: &Value,
) -> kube::Result<K>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
    match subresource {
        None => api.patch(name, &params, &patch).await,
        Some(subresource) => {
            api.patch_subresource(subresource, name, &params, &patch)
                .await
        }
    }
}
