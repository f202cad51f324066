//! A namespace on an embedded cluster of its own, with the face of the one on a real cluster.

use kube::{Api, Client, api::PostParams};
use metaparticle::testing::Cluster;

/// A namespace, and the cluster that it is in.
pub(crate) struct Namespace {
    pub(crate) name: String,
    pub(crate) client: Client,
    _cluster: Cluster,
}

impl Namespace {
    /// Creates a namespace `<prefix>-<random>`.
    pub(crate) async fn create(prefix: &str) -> Self {
        let cluster = Cluster::start().await;
        let client = cluster.client();
        let namespace = serde_json::from_value(
            serde_json::json!({"metadata": {"generateName": format!("{prefix}-")}}),
        );
        let all: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
        let created = all
            .create(&PostParams::default(), &namespace.expect("a namespace"))
            .await
            .expect("created");
        Self {
            name: created.metadata.name.expect("a created object has a name"),
            client,
            _cluster: cluster,
        }
    }

    /// The API of one kind in this namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Ends the test well: it goes with its cluster.
    #[expect(clippy::unused_async, reason = "as the one on a real cluster")]
    pub(crate) async fn delete(self) {}
}
