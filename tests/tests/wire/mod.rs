//! [`Wire`]: a client whose requests the test sees whole and can step in before; [`Other`]: another client of the
//! same cluster, by paths.

#![allow(dead_code, reason = "not every suite needs all of it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use kube::{Client, Error, client::Body};
use serde_json::{Value, json};

/// A request as it was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Value,
}

/// What happens before the first request of this method and path, and what is answered instead, if anything.
type Step = (Method, String, BoxFuture<'static, Option<Response<Body>>>);

/// Between a client and the cluster. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Wire {
    sent: Arc<Mutex<Vec<Sent>>>,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl Wire {
    /// The same client, through this wire. Logs and port-forwards go to `kubelet`, if there is one.
    pub(crate) fn client(&self, cluster: Client, kubelet: Option<Client>) -> Client {
        let wire = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let path = request.uri().path();
            let of_kubelet = path.ends_with("/log") || path.ends_with("/portforward");
            let next = kubelet.clone().filter(|_| of_kubelet);
            let (wire, next) = (wire.clone(), next.unwrap_or_else(|| cluster.clone()));
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                let is_it = |(method, path, _): &mut Step| {
                    *method == head.method && path == head.uri.path()
                };
                let step = wire.steps.lock().unwrap().extract_if(.., is_it).next();
                wire.sent.lock().unwrap().push(Sent {
                    method: head.method.clone(),
                    path: head.uri.path().to_owned(),
                    query: head.uri.query().unwrap_or_default().to_owned(),
                    body: serde_json::from_slice(&body).unwrap_or_default(),
                });
                if let Some((.., step)) = step
                    && let Some(answer) = step.await
                {
                    return Ok(answer);
                }
                next.send(Request::from_parts(head, body.to_vec().into()))
                    .await
            }
        });
        Client::new(service, "default")
    }

    /// Does something before the first such request.
    pub(crate) fn before(
        &self,
        method: Method,
        path: &str,
        step: impl Future<Output = ()> + Send + 'static,
    ) {
        let step = step.map(|()| None).boxed();
        self.steps.lock().unwrap().push((method, path.into(), step));
    }

    /// Answers the first such request with 403.
    pub(crate) fn forbid(&self, method: Method, path: &str) {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403,
            "reason": "Forbidden", "message": format!("{path} is forbidden")});
        let body = status.to_string().into_bytes().into();
        let answer = Response::builder().status(StatusCode::FORBIDDEN).body(body);
        let step = std::future::ready(Some(answer.unwrap())).boxed();
        self.steps.lock().unwrap().push((method, path.into(), step));
    }

    /// Waits until all steps are taken.
    pub(crate) async fn stepped(&self) {
        while !self.steps.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Requests that are not reads, in order; and forgets all requests.
    pub(crate) fn take_writes(&self) -> Vec<Sent> {
        let mut sent = std::mem::take(&mut *self.sent.lock().unwrap());
        sent.retain(|request| request.method != Method::GET);
        sent
    }
}

/// Somebody else who uses the cluster. Names objects and collections by their paths.
#[derive(Clone)]
pub(crate) struct Other(pub(crate) Client);

impl Other {
    pub(crate) async fn create(&self, collection: &str, object: &Value) -> Value {
        let sent = self.ask(Method::POST, collection, "application/json", object);
        sent.await.unwrap()
    }

    /// Merges `fields` into an object.
    pub(crate) async fn change(&self, path: &str, fields: &Value) -> Value {
        let form = "application/merge-patch+json";
        self.ask(Method::PATCH, path, form, fields).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) {
        let options = json!({});
        let sent = self.ask(Method::DELETE, path, "application/json", &options);
        sent.await.unwrap();
    }

    /// An object, or a list.
    pub(crate) async fn read(&self, path: &str) -> Option<Value> {
        let request = Request::get(path).body(Vec::new()).unwrap();
        match self.0.request(request).await {
            Ok(found) => Some(found),
            Err(Error::Api(status)) if status.is_not_found() => None,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        form: &str,
        body: &Value,
    ) -> Result<Value, Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, form);
        self.0
            .request(request.body(body.to_string().into_bytes()).unwrap())
            .await
    }
}
