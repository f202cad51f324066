//! What the tests of this crate share: an API server to talk to, and a namespace on it.

use std::time::Duration;

use http::Request;
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use metaparticle_local::Cluster;
use serde_json::{Value, json};

use crate::{random, store::Store};

/// For every call of a test.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// The real API server that `METAPARTICLE_TEST_KUBECONFIG` names.
pub(crate) async fn real_config() -> Config {
    let path = std::env::var_os("METAPARTICLE_TEST_KUBECONFIG")
        .expect("METAPARTICLE_TEST_KUBECONFIG names the kubeconfig of a cluster for tests");
    let kubeconfig = Kubeconfig::read_from(path).unwrap();
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap()
}

/// A namespace of its own on it; deleted when it is dropped, if `end` is called.
pub(crate) struct Real {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

impl Real {
    pub(crate) async fn new() -> Self {
        let client = crate::connect::client(real_config().await).unwrap();
        let namespace = format!("mp-base-{}", random::word());
        let body =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        ask(&client, "POST", "/api/v1/namespaces", Some(&body)).await;
        Self { client, namespace }
    }

    pub(crate) async fn end(self) {
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        ask(&self.client, "DELETE", &path, None).await;
    }
}

/// A request as anybody else would send it.
pub(crate) async fn ask(client: &Client, method: &str, path: &str, body: Option<&Value>) -> Value {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(body.map_or_else(Body::empty, |body| {
            Body::from(body.to_string().into_bytes())
        }))
        .unwrap();
    let answer = client.send(request).await.unwrap();
    serde_json::from_slice(&answer.into_body().collect_bytes().await.unwrap()).unwrap()
}

/// An embedded cluster, and the Leases of its namespace `default`.
pub(crate) async fn embedded() -> (Cluster, Store) {
    let cluster = Cluster::builder()
        .seed(7)
        .without_controllers()
        .start()
        .await
        .unwrap();
    let store = Store::new(cluster.client_named("us"), "default");
    (cluster, store)
}
