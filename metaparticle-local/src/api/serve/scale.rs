//! `/scale`: the number of replicas of a workload, as an object of its own.

use http::{Method, Response};
use serde_json::{Value, json};

use super::{
    super::{
        decode,
        failure::Failure,
        patch,
        write::{self, Changed, Part},
    },
    Body, Call, answer,
};

impl Call<'_> {
    pub(super) fn scale(&self, name: &str) -> Result<Response<Body>, Failure> {
        let resource = self.target.resource;
        let namespace = self.target.namespace();
        if *self.request.method() == Method::GET {
            let object = self.api.get(resource, namespace, name);
            let object = object.ok_or_else(|| Failure::not_found(resource, name))?;
            return Ok(answer::value(200, &scale_of(&object)));
        }
        if !matches!(*self.request.method(), Method::PUT | Method::PATCH) {
            return Err(Failure::method_not_allowed());
        }
        let media = self.media().to_owned();
        let body = self.body_as_json()?;
        let object = write::update(self.api, &self.writing(Part::Scale)?, name, |current| {
            let before = scale_of(current);
            let scale = match (self.request.method(), media.as_str()) {
                (&Method::PUT, _) => body.clone(),
                (&Method::PATCH, "application/json-patch+json") => patch::json(&before, &body)?,
                (&Method::PATCH, _) => patch::merge(&before, &body),
                _ => return Err(Failure::method_not_allowed()),
            };
            changed(resource.kind, name, current, &scale)
        })?;
        Ok(answer::value(200, &scale_of(object.value())))
    }

    /// The body as it is, for parts that are no served kind.
    pub(super) fn body_as_json(&self) -> Result<Value, Failure> {
        let document = decode::read_json(self.request.body()).map_err(Failure::bad_request)?;
        Ok(document.into_value())
    }
}

/// The workload with the replicas that `scale` asks for.
fn changed(kind: &str, name: &str, current: &Value, scale: &Value) -> Result<Changed, Failure> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 {
        let message = format!(
            "Scale.autoscaling \"{name}\" is invalid: spec.replicas: Invalid value: {replicas}: must be greater than or \
             equal to 0"
        );
        return Err(Failure::new(422, "Invalid", message).with_details(json!({
            "name": name, "group": "autoscaling", "kind": "Scale",
            "causes": [{
                "reason": "FieldValueInvalid", "field": "spec.replicas",
                "message": format!("Invalid value: {replicas}: must be greater than or equal to 0"),
            }],
        })));
    }
    let _ = kind;
    let mut new = current.clone();
    new["spec"]["replicas"] = replicas.into();
    for field in ["resourceVersion", "uid"] {
        if let Some(given) = scale["metadata"][field]
            .as_str()
            .filter(|it| !it.is_empty())
        {
            new["metadata"][field] = given.into();
        }
    }
    Ok(Changed::Tracked(new))
}

fn scale_of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let labels = object["spec"]["selector"]["matchLabels"].as_object();
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {}, "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or(0)},
    });
    if let Some(replicas) = object["spec"]["replicas"].as_i64().filter(|it| *it != 0) {
        scale["spec"]["replicas"] = replicas.into();
    }
    if !selector.is_empty() {
        scale["status"]["selector"] = selector.join(",").into();
    }
    scale
}
