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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_split_into_name_and_tag_or_digest() {
        assert_eq!(
            image_entry("h:5000/a:v1"),
            json!({ "name": "h:5000/a", "newTag": "v1" })
        );
        assert_eq!(image_entry("h:5000/a"), json!({ "name": "h:5000/a" }));
        assert_eq!(
            image_entry("a:v1@sha256:0"),
            json!({ "name": "a", "digest": "sha256:0" })
        );
    }
}
