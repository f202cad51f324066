//! The little of OpenAPI that `kubectl apply` asks for: which paths there are, and that their PATCH knows
//! `fieldValidation`. Schemas are not served.

use http::Response;
use serde_json::{Map, Value, json};

use super::{
    super::{
        failure::Failure,
        resource::{self, Resource},
    },
    Body, answer,
};

pub(super) fn answer(path: &str) -> Result<Response<Body>, Failure> {
    let Some(rest) = path.strip_prefix("/openapi/v3") else {
        return Err(Failure::not_implemented(
            "the embedded cluster serves no schemas; `kubectl explain` needs a real one",
        ));
    };
    let rest = rest.trim_matches('/');
    if rest.is_empty() {
        let mut paths = Map::new();
        for resource in resource::ALL {
            let place = place(resource);
            paths.insert(
                place.clone(),
                json!({"serverRelativeURL": format!("/openapi/v3/{place}")}),
            );
        }
        return Ok(answer::value(200, &json!({"paths": paths})));
    }
    let of_version: Vec<&Resource> = resource::ALL
        .iter()
        .copied()
        .filter(|it| place(it) == rest)
        .collect();
    if of_version.is_empty() {
        return Err(Failure::no_such_path());
    }
    let mut paths = Map::new();
    for resource in of_version {
        let scope = if resource.namespaced {
            "namespaces/{namespace}/"
        } else {
            ""
        };
        let path = format!("/{rest}/{scope}{}/{{name}}", resource.plural);
        paths.insert(path, operations(resource));
    }
    let document = json!({
        "openapi": "3.0.0", "info": {"title": "metaparticle", "version": "v1.36.3"},
        "paths": paths, "components": {"schemas": {}},
    });
    Ok(answer::value(200, &document))
}

fn place(resource: &Resource) -> String {
    let prefix = if resource.group.is_empty() {
        "api"
    } else {
        "apis"
    };
    format!("{prefix}/{}", resource.api_version())
}

fn operations(resource: &Resource) -> Value {
    let kind = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let operation = |verb: &str| {
        json!({
            "x-kubernetes-action": verb, "x-kubernetes-group-version-kind": kind, "responses": {},
            "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
        })
    };
    json!({"patch": operation("patch"), "put": operation("put")})
}
