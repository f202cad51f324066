//! [`World`]: a namespace of a cluster, what a scenario does there, and what it saw.

use std::time::Duration;

use kube::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    graph::{events, graph, objects},
    http::call,
};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace in which a scenario runs.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    seen: Vec<Value>,
    /// Every object that was there at some snapshot, for the names in events.
    known: Vec<Value>,
}

impl World {
    /// Makes the namespace.
    pub(crate) async fn new(client: Client, name: &str) -> Self {
        let namespace = json!({"metadata": {"generateName": format!("controllers-{name}-")}});
        let namespace = call(&client, "POST", "/api/v1/namespaces", &namespace)
            .await
            .expect("the cluster does it");
        let namespace = namespace["metadata"]["name"]
            .as_str()
            .expect("a name")
            .to_owned();
        Self {
            client,
            namespace,
            seen: Vec::new(),
            known: Vec::new(),
        }
    }

    fn path(&self, plural: &str, name: &str) -> String {
        let group = match plural {
            "pods" | "services" | "configmaps" => "api/v1",
            "jobs" => "apis/batch/v1",
            _ => "apis/apps/v1",
        };
        format!("/{group}/namespaces/{}/{plural}/{name}", self.namespace)
    }

    pub(crate) async fn create(&self, plural: &str, object: Value) -> Value {
        let path = self.path(plural, "");
        call(&self.client, "POST", path.trim_end_matches('/'), &object)
            .await
            .expect("the cluster does it")
    }

    pub(crate) async fn patch(&self, plural: &str, name: &str, patch: Value) {
        call(&self.client, "PATCH", &self.path(plural, name), &patch)
            .await
            .expect("the cluster does it");
    }

    pub(crate) async fn delete(&self, plural: &str, name: &str, policy: &str) {
        let options = json!({"propagationPolicy": policy});
        call(&self.client, "DELETE", &self.path(plural, name), &options)
            .await
            .expect("the cluster does it");
    }

    /// Waits until all objects are as they should be.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&[Value]) -> bool) {
        let start = Instant::now();
        loop {
            let all = objects(self).await;
            if holds(&all) {
                return;
            }
            let is_late = start.elapsed() >= PATIENCE;
            assert!(!is_late, "not in time: {what}: {:#}", graph(self, &all));
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until nothing changes any more, and keeps the graph.
    pub(crate) async fn snapshot(&mut self, step: &str) {
        let mut last = Value::Null;
        for _ in 0..60 {
            let all = objects(self).await;
            let now = graph(self, &all);
            self.known.extend(all);
            if now == last {
                self.seen.push(json!({"step": step, "objects": now}));
                return;
            }
            last = now;
            sleep(Duration::from_millis(1500)).await;
        }
        panic!("{step}: never comes to rest: {last:#}");
    }

    /// What was seen; the namespace goes.
    pub(crate) async fn finish(mut self) -> Value {
        let events = events(&self, &self.known).await;
        self.seen.push(json!({"step": "events", "objects": events}));
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        call(&self.client, "DELETE", &path, &Value::Null)
            .await
            .expect("the cluster does it");
        self.seen.into()
    }
}

/// How many objects of a kind there are for which something holds.
pub(crate) fn count(all: &[Value], plural: &str, holds: impl Fn(&Value) -> bool) -> usize {
    all.iter()
        .filter(|it| it["kind"] == plural && holds(it))
        .count()
}

/// Whether the object's controller has seen it as it is, and a field of its status is so.
pub(crate) fn status(
    all: &[Value],
    plural: &str,
    name: &str,
    field: &str,
    wanted: impl Into<Value>,
) -> bool {
    let wanted = wanted.into();
    count(all, plural, |it| {
        let seen = &it["status"]["observedGeneration"];
        it["metadata"]["name"] == name
            && it["status"][field] == wanted
            && (seen.is_null() || *seen == it["metadata"]["generation"])
    }) == 1
}

/// Whether a condition of it is true.
pub(crate) fn condition(all: &[Value], name: &str, type_: &str, reason: &str) -> bool {
    all.iter()
        .filter(|it| it["metadata"]["name"] == name)
        .any(|it| {
            let mut conditions = it["status"]["conditions"].as_array().into_iter().flatten();
            conditions.any(|it| it["type"] == type_ && it["reason"] == reason)
        })
}
