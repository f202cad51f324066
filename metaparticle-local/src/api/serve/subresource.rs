//! Parts of objects: status, scale, logs, binding, eviction, finalize.

use std::convert::Infallible;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::{Value, json};

use super::{
    super::{
        binding,
        failure::Failure,
        kubelet::LogOptions,
        remove, resource,
        write::{self, Part},
    },
    Body, Call, answer, delete,
};

impl Call<'_> {
    pub(super) fn subresource(&self) -> Result<Response<Body>, Failure> {
        let resource = self.target.resource;
        let name = self.target.name.as_deref().unwrap_or_default();
        let part = self.target.subresource.as_deref().unwrap_or_default();
        let is_pod = *resource == resource::POD;
        match (part, self.request.method()) {
            ("status", &Method::GET) if resource.status => self.read(name),
            ("status", &Method::PUT) if resource.status => self.replace_part(name, Part::Status),
            ("status", &Method::PATCH) if resource.status => self.patch_part(name, Part::Status),
            ("scale", _) if resource.scale => self.scale(name),
            ("log", &Method::GET) if is_pod => self.logs(name),
            ("binding", &Method::POST) if is_pod => self.bind(name),
            ("eviction", &Method::POST) if is_pod => self.evict(name),
            ("finalize", &Method::PUT) if *resource == resource::NAMESPACE => {
                self.replace_part(name, Part::Finalize)
            }
            ("exec" | "attach" | "proxy" | "portforward" | "ephemeralcontainers" | "resize", _)
                if is_pod =>
            {
                let message = format!(
                    "the embedded cluster does not do `{part}`: its pods are processes of this machine"
                );
                Err(Failure::not_implemented(message))
            }
            ("token", _) if *resource == resource::SERVICE_ACCOUNT => {
                let message =
                    "the embedded cluster issues no tokens: its kubeconfig has the only one";
                Err(Failure::not_implemented(message))
            }
            ("proxy", _) => Err(Failure::not_implemented(
                "the embedded cluster has no API server proxy: use the Service's own address",
            )),
            ("status", _) if resource.status => Err(Failure::method_not_allowed()),
            ("binding" | "eviction", _) if is_pod => Err(Failure::method_not_allowed()),
            ("finalize", _) if *resource == resource::NAMESPACE => {
                Err(Failure::method_not_allowed())
            }
            _ => Err(Failure::no_such_path()),
        }
    }

    fn logs(&self, name: &str) -> Result<Response<Body>, Failure> {
        let namespace = self.target.namespace();
        let pod = self.api.get(&resource::POD, namespace, name);
        let pod = pod.ok_or_else(|| Failure::not_found(&resource::POD, name))?;
        check_container(&pod, name, self.query.get("container"))?;
        if pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
            return Ok(answer::with_type(204, "text/plain", Bytes::new()));
        }
        let unsigned = |name: &str| {
            Ok::<_, Failure>(
                self.query
                    .number(name)?
                    .and_then(|it| u64::try_from(it).ok()),
            )
        };
        let since = self.query.get("sinceTime").map(|text| {
            text.parse().map_err(|_| {
                Failure::bad_request(format!("sinceTime: \"{text}\" is no RFC 3339 time"))
            })
        });
        let options = LogOptions {
            container: self.query.get("container").map(str::to_owned),
            follow: self.query.flag("follow"),
            previous: self.query.flag("previous"),
            tail_lines: unsigned("tailLines")?,
            since_seconds: self.query.number("sinceSeconds")?,
            since_time: since.transpose()?,
            limit_bytes: unsigned("limitBytes")?,
            timestamps: self.query.flag("timestamps"),
        };
        let kubelet = self.api.kubelet.get().ok_or_else(|| {
            Failure::new(
                500,
                "InternalError",
                "this cluster was started without a node, so no pod has a log",
            )
        })?;
        let lines = kubelet.logs(namespace, name, options)?;
        let body = StreamBody::new(lines.map(|chunk| Ok::<_, Infallible>(Frame::data(chunk))));
        let mut response = answer::with_type(200, "text/plain", Bytes::new());
        *response.body_mut() = body.boxed_unsync();
        Ok(response)
    }

    fn bind(&self, name: &str) -> Result<Response<Body>, Failure> {
        let binding = self.object(&resource::BINDING)?.object;
        if write::name_of(&binding) != name {
            let message = "name in URL does not match name in Binding object";
            return Err(Failure::bad_request(message));
        }
        binding::bind(self.api, &self.writing(Part::Binding)?, name, &binding)?;
        Ok(answer::value(201, &success(201)))
    }

    fn evict(&self, name: &str) -> Result<Response<Body>, Failure> {
        let eviction = self.object(&resource::EVICTION)?.object;
        if write::name_of(&eviction) != name {
            let message = "name in URL does not match name in Eviction object";
            return Err(Failure::bad_request(message));
        }
        let (pod, namespace) = (&resource::POD, self.target.namespace());
        if self.api.get(pod, namespace, name).is_none() {
            return Err(Failure::not_found(pod, name));
        }
        let (options, rehearsal) = delete::read(&eviction["deleteOptions"])?;
        let dry_run = rehearsal || self.dry_run()?;
        remove::delete(self.api, pod, namespace, name, &options, dry_run)?;
        Ok(answer::value(201, &success(201)))
    }
}

/// A pod with several containers has several logs.
fn check_container(pod: &Value, name: &str, asked: Option<&str>) -> Result<(), Failure> {
    let names = |field: &str| {
        let all = pod["spec"][field].as_array().into_iter().flatten();
        let names = all.filter_map(|it| it["name"].as_str());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let (main, init) = (names("containers"), names("initContainers"));
    let message = match asked {
        Some(asked) if main.iter().chain(&init).any(|it| it == asked) => return Ok(()),
        Some(asked) => format!("container {asked} is not valid for pod {name}"),
        None if main.len() == 1 => return Ok(()),
        None => format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            main.join(" ")
        ),
    };
    Err(Failure::bad_request(message))
}

fn success(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code})
}
