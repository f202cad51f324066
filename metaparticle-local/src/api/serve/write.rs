//! Create, replace and the four patches.

use http::{Response, header};
use serde_json::Value;

use super::{
    super::{
        apply, decode,
        decode::Decoded,
        failure::Failure,
        patch,
        resource::Resource,
        store::Object,
        write::{self, Changed, Part, Write},
    },
    Body, Call, answer,
};
use std::{cell::Cell, sync::Arc};

impl Call<'_> {
    /// In whose name this request writes, and whether it is a rehearsal.
    pub(super) fn writing(&self, part: Part) -> Result<Write<'_>, Failure> {
        Ok(Write {
            dry_run: self.dry_run()?,
            ..Write::new(
                self.target.resource,
                self.target.namespace(),
                self.manager(),
            )
            .to(part)
        })
    }

    /// The media type of the body, without its parameters.
    pub(super) fn media(&self) -> &str {
        let media = self
            .request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|it| it.to_str().ok());
        media
            .unwrap_or("application/json")
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
    }

    /// Refuses bodies that are neither JSON nor YAML.
    pub(super) fn check_media(&self) -> Result<(), Failure> {
        let media = self.media();
        if media == "application/vnd.kubernetes.protobuf" {
            return Err(Failure::not_implemented(
                "the embedded cluster reads JSON and YAML, no protobuf: use `kubectl apply` or `create -f`",
            ));
        }
        if !matches!(
            media,
            "application/json" | "application/yaml" | "application/apply-patch+yaml"
        ) {
            return Err(Failure::unsupported_media_type(
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json, application/yaml, application/vnd.kubernetes.protobuf",
            ));
        }
        Ok(())
    }

    /// The body as an object of a kind, of the namespace of the path if it says one.
    pub(super) fn object(&self, resource: &'static Resource) -> Result<Decoded, Failure> {
        self.check_media()?;
        let (body, validation) = (self.request.body(), self.validation());
        let decoded = decode::object(resource, body, self.media(), validation)?;
        self.check_namespace(&decoded.object)?;
        Ok(decoded)
    }

    pub(super) fn written(
        &self,
        code: u16,
        object: &Object,
        warnings: &[String],
    ) -> Response<Body> {
        let now = self.api.clock.now();
        let mut response = answer::json(
            code,
            answer::object(self.form, self.target.resource, object.value(), now),
        );
        answer::warn(&mut response, warnings);
        response
    }

    /// The namespace of the object, if it says one, is that of the path.
    pub(super) fn check_namespace(&self, object: &Value) -> Result<(), Failure> {
        let given = object["metadata"]["namespace"].as_str().unwrap_or_default();
        if given.is_empty() || given == self.target.namespace() {
            return Ok(());
        }
        let message =
            "the namespace of the provided object does not match the namespace sent on the request";
        Err(Failure::bad_request(message))
    }

    pub(super) fn create(&self) -> Result<Response<Body>, Failure> {
        let Decoded { object, warnings } = self.object(self.target.resource)?;
        let created = write::create(self.api, &self.writing(Part::Whole)?, object)?;
        Ok(self.written(201, &created, &warnings))
    }

    pub(super) fn replace(&self, name: &str) -> Result<Response<Body>, Failure> {
        self.replace_part(name, Part::Whole)
    }

    pub(super) fn replace_part(&self, name: &str, part: Part) -> Result<Response<Body>, Failure> {
        let Decoded { object, warnings } = self.object(self.target.resource)?;
        write::check_name(&object, name)?;
        let (object, created) = write::replace(self.api, &self.writing(part)?, name, &object)?;
        Ok(self.written(if created { 201 } else { 200 }, &object, &warnings))
    }

    pub(super) fn patch(&self, name: &str) -> Result<Response<Body>, Failure> {
        self.patch_part(name, Part::Whole)
    }

    pub(super) fn patch_part(&self, name: &str, part: Part) -> Result<Response<Body>, Failure> {
        let kind = match self.media() {
            "application/apply-patch+yaml" => return self.apply(name, part),
            media => patch_kind(media)?,
        };
        let resource = self.target.resource;
        let sent = patch::read(kind, self.request.body())?;
        let warnings = Cell::default();
        let object = write::update(self.api, &self.writing(part)?, name, |current| {
            let patched = patch::apply(resource, kind, current, &sent)?;
            let decoded = patch::finish(resource, kind, &sent, patched, self.validation())?;
            warnings.set(decoded.warnings);
            Ok(Changed::Tracked(decoded.object))
        })?;
        Ok(self.written(200, &object, &warnings.take()))
    }

    fn apply(&self, name: &str, part: Part) -> Result<Response<Body>, Failure> {
        let (config, warnings) = apply::read(self.request.body(), self.validation())?;
        self.check_namespace(&config)?;
        if !write::name_of(&config).is_empty() {
            write::check_name(&config, name)?;
        }
        let force = self.query.flag("force");
        let write = self.writing(part)?;
        let (object, created): (Arc<Object>, bool) = write::apply(
            self.api,
            &write,
            name,
            |current, writer| {
                let applied = apply::apply(self.target.resource, current, &config, writer, force)?;
                if write::name_of(&applied).is_empty() {
                    return Err(Failure::bad_request(format!(
                        "the name of the object ({name} based on URL) was undeterminable: name must be provided"
                    )));
                }
                Ok(applied)
            },
        )?;
        Ok(self.written(if created { 201 } else { 200 }, &object, &warnings))
    }
}

/// The kind of a patch by its media type.
pub(super) fn patch_kind(media: &str) -> Result<patch::Kind, Failure> {
    match media {
        "application/json-patch+json" => Ok(patch::Kind::Json),
        "application/merge-patch+json" => Ok(patch::Kind::Merge),
        "application/strategic-merge-patch+json" => Ok(patch::Kind::Strategic),
        _ => Err(
            Failure::unsupported_media_type("415: Unsupported Media Type")
                .with_details(serde_json::json!({})),
        ),
    }
}
