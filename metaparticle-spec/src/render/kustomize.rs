//! A base for kustomize: the manifests as they are, and the image as the one value that overlays change.

use serde_json::{Value, json};

use super::{Artifact, yaml};

pub(super) fn base(objects: &[Value], image: &str) -> Vec<Artifact> {
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["manifests.yaml"],
        "images": [image_entry(image)],
    });
    vec![
        Artifact {
            path: "kustomization.yaml".to_owned(),
            text: yaml::stream(&[kustomization]),
        },
        Artifact {
            path: "manifests.yaml".to_owned(),
            text: yaml::stream(objects),
        },
    ]
}

/// Name and tag or digest apart, as kustomize wants them.
fn image_entry(image: &str) -> Value {
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    // A colon before a slash belongs to the port of the host.
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    match (digest, tag) {
        (Some(digest), _) => json!({ "name": name, "digest": digest }),
        (None, Some(tag)) => json!({ "name": name, "newTag": tag }),
        (None, None) => json!({ "name": name }),
    }
}
