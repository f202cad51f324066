//! Delete, one or many.

use http::Response;
use serde_json::{Value, json};

use super::{
    super::{
        DeleteOptions, Preconditions, Propagation, decode,
        failure::{Failure, FieldError},
        remove::{self, Removed},
    },
    Body, Call, answer, options,
};

impl Call<'_> {
    pub(super) fn delete(&self, name: &str) -> Result<Response<Body>, Failure> {
        let resource = self.target.resource;
        let (options, dry_run) = self.delete_options()?;
        let Removed { object, gone } = self.remove(name, &options, dry_run)?;
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

    /// Lists, and deletes what is on the list one by one, until one is refused. The answer is the list.
    pub(super) fn delete_all(&self) -> Result<Response<Body>, Failure> {
        let (options, dry_run) = self.delete_options()?;
        let (metadata, found) = self.page()?;
        for object in &found {
            let name = &object.value()["metadata"]["name"];
            match self.remove(name.as_str().unwrap_or_default(), &options, dry_run) {
                Err(failure) if failure.code != 404 => return Err(failure),
                _ => {}
            }
        }
        Ok(answer::json(200, self.render(&metadata, &found)))
    }

    fn remove(
        &self,
        name: &str,
        options: &DeleteOptions,
        dry_run: bool,
    ) -> Result<Removed, Failure> {
        let (resource, namespace) = (self.target.resource, self.target.namespace());
        remove::delete(self.api, resource, namespace, name, options, dry_run)
    }

    /// From the body, else from the query; and whether it is a rehearsal.
    fn delete_options(&self) -> Result<(DeleteOptions, bool), Failure> {
        // The query counts only where there is no body.
        if self.request.body().is_empty() {
            return read(&self.delete_query()?);
        }
        self.check_media()?;
        let body = decode::delete_options(self.request.body(), self.media());
        read(&body.map_err(Failure::bad_request)?)
    }

    /// The parameters that stand for a body.
    fn delete_query(&self) -> Result<Value, Failure> {
        let first = |name| self.query.all(name).next();
        let dry_run: Vec<&str> = self
            .query
            .all("dryRun")
            .filter(|it| !it.is_empty())
            .collect();
        let orphan = first("orphanDependents").map(|_| self.query.flag("orphanDependents"));
        Ok(json!({
            "gracePeriodSeconds": self.query.number("gracePeriodSeconds")?,
            "propagationPolicy": first("propagationPolicy"),
            "orphanDependents": orphan,
            "dryRun": dry_run,
            "preconditions": {
                "uid": self.query.get("uid"), "resourceVersion": self.query.get("resourceVersion"),
            },
        }))
    }
}

/// Options that are decoded, and whether it is a rehearsal.
pub(super) fn read(options: &Value) -> Result<(DeleteOptions, bool), Failure> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let policy = &options["propagationPolicy"];
    let orphan = options["orphanDependents"].as_bool();
    let mut errors = Vec::new();
    if policy.is_string() && orphan.is_some() {
        let detail = "orphanDependents and deletionPropagation cannot be both set";
        errors.push(FieldError::invalid("propagationPolicy", policy, detail));
    }
    let propagation = match policy.as_str() {
        Some("Orphan") => Some(Propagation::Orphan),
        Some("Background") => Some(Propagation::Background),
        Some("Foreground") => Some(Propagation::Foreground),
        Some(_) => {
            let known = ["Foreground", "Background", "Orphan", "nil"];
            errors.push(FieldError::not_supported(
                "propagationPolicy",
                policy,
                &known,
            ));
            None
        }
        None => orphan.map(|orphan| {
            if orphan {
                Propagation::Orphan
            } else {
                Propagation::Background
            }
        }),
    };
    let dry_run = &options["dryRun"];
    let words = dry_run.as_array().map_or(&[][..], Vec::as_slice);
    if words.iter().any(|word| word != "All") {
        errors.push(FieldError::not_supported("dryRun", dry_run, &["All"]));
    }
    options::refuse("DeleteOptions", &errors)?;
    let preconditions = &options["preconditions"];
    let read = DeleteOptions {
        preconditions: Preconditions {
            uid: text(&preconditions["uid"]),
            resource_version: text(&preconditions["resourceVersion"]),
        },
        grace_period_seconds: options["gracePeriodSeconds"].as_i64(),
        propagation,
    };
    Ok((read, !words.is_empty()))
}
