//! Requests as they are, and what comes back.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use metaparticle_local::{
    Cluster,
    api::{resource::CONFIG_MAP, serve::Body},
};
use serde_json::{Value, json};

pub(crate) const MAPS: &str = "/api/v1/namespaces/default/configmaps";

pub(crate) async fn start() -> Cluster {
    let builder = Cluster::builder().seed(1).without_controllers();
    builder.start().await.expect("started")
}

pub(crate) async fn send(
    cluster: &Cluster,
    client: &str,
    method: Method,
    path: &str,
    body: &str,
) -> Response<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request
        .body(Bytes::from(body.to_owned()))
        .expect("it is there");
    cluster.api().call(client, request).await
}

pub(crate) async fn call(
    cluster: &Cluster,
    client: &str,
    method: Method,
    path: &str,
    body: &str,
) -> (u16, Value) {
    let answer = send(cluster, client, method, path, body).await;
    let code = answer.status().as_u16();
    let text = answer
        .into_body()
        .collect()
        .await
        .expect("it is there")
        .to_bytes();
    (code, serde_json::from_slice(&text).unwrap_or_default())
}

/// A watch of maps.
pub(crate) async fn watch(cluster: &Cluster, client: &str, query: &str) -> Body {
    let path = format!("{MAPS}?watch=1{query}");
    let answer = send(cluster, client, Method::GET, &path, "").await;
    assert_eq!(answer.status(), 200);
    answer.into_body()
}

/// The next piece of a body.
pub(crate) async fn text(body: &mut Body) -> Option<String> {
    let data = body
        .frame()
        .await?
        .expect("it is there")
        .into_data()
        .expect("it is there");
    Some(String::from_utf8(data.to_vec()).expect("it is there"))
}

/// All lines until the end.
pub(crate) async fn lines(body: Body) -> Vec<Value> {
    let text = body.collect().await.expect("it is there").to_bytes();
    let lines = text
        .split(|byte| *byte == b'\n')
        .filter(|it| !it.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).expect("it is there"))
        .collect()
}

/// Creates a map at once. Its revision.
pub(crate) fn create(cluster: &Cluster, name: &str) -> u64 {
    let map = json!({"metadata": {"name": name}});
    let created = cluster.api().create(&CONFIG_MAP, "default", map, "test");
    revision(&created.expect("it is there"))
}

pub(crate) fn revision(object: &Value) -> u64 {
    let version = object["metadata"]["resourceVersion"]
        .as_str()
        .expect("it is there");
    version.parse().expect("it is there")
}
