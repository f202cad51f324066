//! What the API server asks of the node: logs, and connections to pods.

use std::{collections::BTreeMap, io, net::IpAddr, sync::Weak};

use bytes::Bytes;
use futures::{FutureExt as _, future, future::BoxFuture, stream, stream::BoxStream};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{
    Inner,
    logs::{self, Log, Selection},
};
use crate::api::{
    failure::Failure,
    kubelet::{Kubelet, LogOptions},
    resource,
};

/// The logs of a pod's containers, by their names.
pub(super) type PodLogs = BTreeMap<String, ContainerLogs>;

/// The logs of a container.
#[derive(Clone, Debug, Default)]
pub(super) struct ContainerLogs {
    /// Of the present run, or of the last one.
    pub(super) latest: Option<Log>,
    /// Of the last run that ended before the present state.
    pub(super) previous: Option<Log>,
}

/// The node, for as long as it lives.
#[derive(Debug)]
pub(super) struct Handle(pub(super) Weak<Inner>);

impl Kubelet for Handle {
    fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: LogOptions,
    ) -> Result<BoxStream<'static, Bytes>, Failure> {
        let node = self.0.upgrade().ok_or_else(ended)?;
        let object = node.api.get(&resource::POD, namespace, pod);
        let object = object.ok_or_else(|| Failure::not_found(&resource::POD, pod))?;
        let container = container(&object, pod, options.container.as_deref())?;
        if object["spec"]["nodeName"].as_str().is_none() {
            return Ok(Box::pin(stream::empty()));
        }
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let logs = node
            .logs()
            .get(uid)
            .and_then(|it| it.get(&container).cloned());
        let logs = logs.unwrap_or_default();
        let log = if options.previous {
            let missing = || {
                format!("previous terminated container \"{container}\" in pod \"{pod}\" not found")
            };
            logs.previous
                .ok_or_else(|| Failure::bad_request(missing()))?
        } else {
            let why = || waiting(&object, pod, &container);
            logs.latest.ok_or_else(|| Failure::bad_request(why()))?
        };
        let seconds = options.since_seconds.map(|seconds| {
            let age = SignedDuration::from_secs(seconds);
            node.api
                .now()
                .saturating_sub(age)
                .unwrap_or(jiff::Timestamp::MIN)
        });
        let selection = Selection {
            follow: options.follow,
            tail: options.tail_lines,
            since: options.since_time.or(seconds),
            limit: options.limit_bytes,
            timestamps: options.timestamps,
        };
        Ok(logs::stream(log, selection))
    }

    fn dial(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> BoxFuture<'static, io::Result<TcpStream>> {
        let address = self.0.upgrade().and_then(|node| {
            let object = node.api.get(&resource::POD, namespace, pod)?;
            let ip: IpAddr = object["status"]["podIP"].as_str()?.parse().ok()?;
            let uid = object["metadata"]["uid"].as_str()?;
            Some((ip, node.config.ports.actual(uid, port)))
        });
        let Some(address) = address else {
            let error = format!("pod {pod} of namespace {namespace} has no address");
            let error = io::Error::new(io::ErrorKind::NotFound, error);
            return future::ready(Err(error)).boxed();
        };
        TcpStream::connect(address).boxed()
    }
}

fn ended() -> Failure {
    Failure::new(503, "ServiceUnavailable", "the node has ended")
}

/// The container that is meant.
fn container(object: &Value, pod: &str, asked: Option<&str>) -> Result<String, Failure> {
    let names = |field: &str| -> Vec<&str> {
        let all = object["spec"][field].as_array().into_iter().flatten();
        all.filter_map(|it| it["name"].as_str()).collect()
    };
    let (mains, inits) = (names("containers"), names("initContainers"));
    match (asked.filter(|it| !it.is_empty()), mains.as_slice()) {
        (None, [only]) => Ok((*only).to_owned()),
        (None, several) => {
            let inits = match inits.as_slice() {
                [] => String::new(),
                inits => format!(" or one of the init containers: [{}]", inits.join(" ")),
            };
            let several = several.join(" ");
            let message = format!(
                "a container name must be specified for pod {pod}, choose one of: [{several}]{inits}"
            );
            Err(Failure::bad_request(message))
        }
        (Some(name), _) if mains.contains(&name) || inits.contains(&name) => Ok(name.to_owned()),
        (Some(name), _) => {
            let message = format!("container {name} is not valid for pod {pod}");
            Err(Failure::bad_request(message))
        }
    }
}

/// Why a container has no log yet.
fn waiting(object: &Value, pod: &str, container: &str) -> String {
    let of = |field: &str| object["status"][field].as_array().into_iter().flatten();
    let mut all = of("containerStatuses").chain(of("initContainerStatuses"));
    let status = all.find(|it| it["name"] == container);
    let state = status.map_or(&Value::Null, |it| &it["state"]);
    if state["terminated"].is_object() {
        return format!("container \"{container}\" in pod \"{pod}\" is terminated");
    }
    let why = match state["waiting"]["reason"].as_str() {
        Some("ErrImagePull") => "image can't be pulled",
        Some("ImagePullBackOff") => "trying and failing to pull image",
        Some(reason) => reason,
        None => "ContainerCreating",
    };
    format!("container \"{container}\" in pod \"{pod}\" is waiting to start: {why}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "spec": {
                "containers": [{"name": "a"}, {"name": "b"}],
                "initContainers": [{"name": "i"}],
            },
            "status": {"containerStatuses": [
                {"name": "a", "state": {"waiting": {"reason": "ImagePullBackOff"}}},
                {"name": "b", "state": {"waiting": {"reason": "CreateContainerConfigError"}}},
            ]},
        })
    }

    #[test]
    fn a_container_must_be_named_where_there_are_several() {
        let message = |asked| container(&pod(), "web", asked).unwrap_err().message;
        let choose = "a container name must be specified for pod web, choose one of: [a b] or one of the init \
                      containers: [i]";
        assert_eq!(message(None), choose);
        assert_eq!(message(Some("x")), "container x is not valid for pod web");
        assert_eq!(container(&pod(), "web", Some("i")).unwrap(), "i");
    }

    #[test]
    fn the_only_container_needs_no_name() {
        let pod = json!({"spec": {"containers": [{"name": "a"}]}});
        assert_eq!(container(&pod, "web", None).unwrap(), "a");
    }

    #[test]
    fn why_a_container_waits_is_worded_as_by_the_kubelet() {
        let of = |name| waiting(&pod(), "web", name);
        let pulling =
            "container \"a\" in pod \"web\" is waiting to start: trying and failing to pull image";
        assert_eq!(of("a"), pulling);
        let config =
            "container \"b\" in pod \"web\" is waiting to start: CreateContainerConfigError";
        assert_eq!(of("b"), config);
    }
}
