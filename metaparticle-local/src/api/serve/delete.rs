//! Delete, one or many.

use http::Response;
use serde_json::{Value, json};

use super::{
    super::{
        DeleteOptions, Preconditions, Propagation,
        failure::{Failure, FieldError},
        remove::{self, Removed},
    },
    Body, Call, answer, list, options,
    selector::Selection,
};

impl Call<'_> {
    pub(super) fn delete(&self, name: &str) -> Result<Response<Body>, Failure> {
        let resource = self.target.resource;
        let (options, dry_run) = self.delete_options()?;
        let removed = remove::delete(
            self.api,
            resource,
            self.target.namespace(),
            name,
            &options,
            dry_run,
        )?;
        let Removed { object, gone } = removed;
        if !gone || resource.is_returned_by_delete() {
            return Ok(self.written(200, &object, &[]));
        }
        let mut details = resource.details(name);
        details["uid"] = object.value()["metadata"]["uid"].clone();
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
        });
        Ok(answer::value(200, &status))
    }

    pub(super) fn delete_all(&self) -> Result<Response<Body>, Failure> {
        let resource = self.target.resource;
        let (options, dry_run) = self.delete_options()?;
        let selection = Selection::of(&self.query, resource)?;
        let now = self.api.clock.now();
        let (revision, found) = self.api.store.with(|state| {
            let revision = state.revision();
            let found = state.list(resource, self.target.namespace.as_deref());
            let found: Vec<_> = found
                .filter(|it| selection.contains(it.value()))
                .cloned()
                .collect();
            for object in &found {
                let name = object.value()["metadata"]["name"]
                    .as_str()
                    .unwrap_or_default();
                let namespace = object.value()["metadata"]["namespace"]
                    .as_str()
                    .unwrap_or_default();
                let place = (namespace, name);
                remove::delete_in(state, resource, place, object, &options, now, dry_run);
            }
            (revision, found)
        });
        let metadata = json!({"resourceVersion": revision.to_string()});
        Ok(answer::json(200, list::text(resource, &metadata, &found)))
    }

    /// From the body, else from the query.
    fn delete_options(&self) -> Result<(DeleteOptions, bool), Failure> {
        // The query counts only where there is no body.
        let body = if self.request.body().is_empty() {
            self.delete_query()?
        } else {
            self.body_as_json()?
        };
        let kind = text_of(&body["kind"]);
        if !matches!(kind, "" | "DeleteOptions") {
            let version = text_of(&body["apiVersion"]);
            return Err(Failure::bad_request(format!(
                "no kind \"{kind}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:111\""
            )));
        }
        let text = |value: &Value| {
            value
                .as_str()
                .filter(|it| !it.is_empty())
                .map(str::to_owned)
        };
        let policy = text(&body["propagationPolicy"]);
        let orphan = body["orphanDependents"].as_bool();
        let propagation = match policy.as_deref() {
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some(other) => {
                let known = ["Foreground", "Background", "Orphan", "nil"];
                let error = FieldError::not_supported("propagationPolicy", &other.into(), &known);
                return Err(options::failure("DeleteOptions", &[error]));
            }
            None => orphan.map(|orphan| {
                if orphan {
                    Propagation::Orphan
                } else {
                    Propagation::Background
                }
            }),
        };
        // As of old, a negative number asks for the shortest time.
        let shortest = |seconds: i64| if seconds < 0 { 1 } else { seconds };
        let grace = body["gracePeriodSeconds"].as_i64();
        let rehearsal = body["dryRun"].as_array().filter(|it| !it.is_empty());
        if rehearsal.is_some_and(|it| it.iter().any(|word| word != "All")) {
            let error = FieldError::not_supported("dryRun", &body["dryRun"], &["All"]);
            return Err(options::failure("DeleteOptions", &[error]));
        }
        let dry_run = rehearsal.is_some();
        let options = DeleteOptions {
            preconditions: Preconditions {
                uid: text(&body["preconditions"]["uid"]),
                resource_version: text(&body["preconditions"]["resourceVersion"]),
            },
            grace_period_seconds: grace.map(shortest),
            propagation,
        };
        Ok((options, dry_run))
    }

    /// The parameters that stand for a body.
    fn delete_query(&self) -> Result<Value, Failure> {
        let dry_run: Vec<&str> = self
            .query
            .all("dryRun")
            .filter(|it| !it.is_empty())
            .collect();
        let orphan = self.query.get("orphanDependents").is_some();
        let orphan = if orphan {
            Some(self.query.flag("orphanDependents")?)
        } else {
            None
        };
        Ok(json!({
            "gracePeriodSeconds": self.query.number("gracePeriodSeconds")?,
            "propagationPolicy": self.query.get("propagationPolicy"),
            "orphanDependents": orphan,
            "dryRun": dry_run,
        }))
    }
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
