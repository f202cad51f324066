//! `/scale`: the number of replicas of a workload, as an object of its own.

use std::cell::Cell;

use http::{Method, Response};
use serde_json::{Value, json};

use super::{
    super::{
        apply,
        decode::Decoded,
        failure::Failure,
        patch,
        resource::{Resource, SCALE},
        table,
        write::{self, Changed, Part},
    },
    Body, Call, answer,
    write::patch_kind,
};

impl Call<'_> {
    pub(super) fn scale(&self, name: &str) -> Result<Response<Body>, Failure> {
        let resource = self.target.resource;
        match *self.request.method() {
            Method::GET => {
                let object = self.api.get(resource, self.target.namespace(), name);
                let object = object.ok_or_else(|| Failure::not_found(resource, name))?;
                Ok(answer::value(200, &scale_of(&object)))
            }
            Method::PUT => self.replace_scale(name),
            Method::PATCH if self.media() == "application/apply-patch+yaml" => {
                self.apply_scale(name)
            }
            Method::PATCH => self.patch_scale(name),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    fn replace_scale(&self, name: &str) -> Result<Response<Body>, Failure> {
        let Decoded { object, warnings } = self.object(&SCALE)?;
        write::check_name(&object, name)?;
        let write = self.writing(Part::Scale)?;
        self.change_scale(name, |live, time| {
            let uid = live["metadata"]["uid"].as_str().unwrap_or_default();
            write::check_uid(&write, name, uid, &object)?;
            let mut scale = object.clone();
            apply::track(&SCALE, Some(live), &mut scale, write.writer(time));
            Ok((scale, warnings.clone()))
        })
    }

    fn patch_scale(&self, name: &str) -> Result<Response<Body>, Failure> {
        let kind = patch_kind(self.media())?;
        let sent = patch::read(kind, self.request.body())?;
        let write = self.writing(Part::Scale)?;
        self.change_scale(name, |live, time| {
            let patched = patch::apply(&SCALE, kind, live, &sent)?;
            let decoded = patch::finish(&SCALE, kind, &sent, patched, self.validation())?;
            let mut scale = decoded.object;
            apply::track(&SCALE, Some(live), &mut scale, write.writer(time));
            Ok((scale, decoded.warnings))
        })
    }

    fn apply_scale(&self, name: &str) -> Result<Response<Body>, Failure> {
        let (config, warnings) = apply::read(self.request.body(), self.validation())?;
        self.check_namespace(&config)?;
        if !write::name_of(&config).is_empty() {
            write::check_name(&config, name)?;
        }
        let force = self.query.flag("force");
        let write = self.writing(Part::Scale)?;
        self.change_scale(name, |live, time| {
            let scale = apply::apply(&SCALE, Some(live), &config, write.writer(time), force)?;
            Ok((scale, warnings.clone()))
        })
    }

    /// Writes the workload with what `change` makes of its Scale.
    fn change_scale(
        &self,
        name: &str,
        change: impl Fn(&Value, &str) -> Result<(Value, Vec<String>), Failure>,
    ) -> Result<Response<Body>, Failure> {
        let resource = self.target.resource;
        let time = self.api.clock.seconds();
        let warnings = Cell::default();
        let object = write::update(self.api, &self.writing(Part::Scale)?, name, |current| {
            let mut live = scale_of(current);
            apply::own_scale(resource, current, &mut live);
            let (scale, found) = change(&live, &time)?;
            warnings.set(found);
            scaled(resource, name, current, &scale).map(Changed::Ready)
        })?;
        let mut response = answer::value(200, &scale_of(object.value()));
        answer::warn(&mut response, &warnings.take());
        Ok(response)
    }
}

/// The workload with the replicas that `scale` asks for.
fn scaled(
    resource: &'static Resource,
    name: &str,
    current: &Value,
    scale: &Value,
) -> Result<Value, Failure> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 {
        let detail = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        let message = format!("Scale.autoscaling \"{name}\" is invalid: spec.replicas: {detail}");
        return Err(Failure::new(422, "Invalid", message).with_details(json!({
            "name": name, "group": "autoscaling", "kind": "Scale",
            "causes": [{"reason": "FieldValueInvalid", "field": "spec.replicas", "message": detail}],
        })));
    }
    let text = |object: &Value, field: &str| {
        let text = object["metadata"][field].as_str().unwrap_or_default();
        text.to_owned()
    };
    let (asked, uid) = (text(scale, "uid"), text(current, "uid"));
    if !asked.is_empty() && asked != uid {
        let why =
            format!("Precondition failed: UID in precondition: {asked}, UID in object meta: {uid}");
        // Here the real server names the part.
        let mut failure = Failure::conflict(resource, name, &why);
        let part = format!("{}/scale", resource.plural);
        failure.message = failure.message.replacen(resource.plural, &part, 1);
        if let Some(details) = &mut failure.details {
            details["kind"] = part.into();
        }
        return Err(failure);
    }
    let mut new = current.clone();
    new["spec"]["replicas"] = replicas.into();
    let version = text(scale, "resourceVersion");
    if !version.is_empty() {
        new["metadata"]["resourceVersion"] = version.into();
    }
    apply::own_workload(resource, &mut new, scale);
    Ok(new)
}

fn scale_of(object: &Value) -> Value {
    let metadata = &object["metadata"];
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
    let selector = table::selector(&object["spec"]["selector"]);
    if !selector.is_empty() {
        scale["status"]["selector"] = selector.into();
    }
    scale
}
