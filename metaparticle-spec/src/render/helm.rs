//! A chart for Helm: the manifests as one template, with the image and the numbers of pods as values.

use serde_json::{Value, json};

use super::{Artifact, is_shared, yaml};
use crate::AppSpec;

pub(super) fn chart(spec: &AppSpec, objects: &[Value], image: &str) -> Vec<Artifact> {
    let tag = spec.tag.as_str();
    let chart = json!({
        "apiVersion": "v2",
        "name": spec.name,
        "type": "application",
        // Helm takes semantic versions only.
        "version": if is_version(tag) { tag } else { "0.0.0" },
        "appVersion": tag,
    });
    let mut values = json!({ "image": image });
    let (shared, mut objects): (Vec<_>, Vec<_>) = objects.iter().cloned().partition(is_shared);
    let mark = mark(&objects);
    let image_mark = format!("{mark}-image");
    let mut numbers = Vec::new();
    for object in &mut objects {
        if let Some(image) = object.pointer_mut("/spec/template/spec/containers/0/image") {
            *image = json!(image_mark);
        }
        if let Some(replicas) = object.pointer_mut("/spec/replicas") {
            // Shards first, then the routers before them.
            let value = if numbers.is_empty() {
                "replicas"
            } else {
                "routers"
            };
            values[value] = replicas.take();
            *replicas = json!(format!("{mark}-{value}"));
            numbers.push(value);
        }
    }
    // Braces of the user's are text, not actions.
    let mut template = yaml::stream(&objects)
        .replace("{{", "{{ \"{{\" }}")
        .replace(&image_mark, "{{ .Values.image | quote }}");
    for value in numbers {
        template = template.replace(
            &format!("{mark}-{value}"),
            &format!("{{{{ .Values.{value} }}}}"),
        );
    }
    let artifact = |path: &str, text| Artifact {
        path: path.to_owned(),
        text,
    };
    let mut files = vec![
        artifact("Chart.yaml", yaml::stream(&[chart])),
        artifact("values.yaml", yaml::stream(&[values])),
        artifact("templates/manifests.yaml", template),
    ];
    files.extend(shared.into_iter().map(once));
    files
}

/// An object of the whole cluster belongs to no release: the first one makes it, the others find it, none takes it away.
fn once(mut object: Value) -> Artifact {
    object["metadata"]["annotations"]["helm.sh/resource-policy"] = json!("keep");
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let kind = text("kind");
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let look = format!(
        "lookup \"{}\" \"{kind}\" \"\" \"{name}\"",
        text("apiVersion")
    );
    let body = yaml::stream(&[object.clone()]);
    Artifact {
        path: format!("templates/{}.yaml", kind.to_lowercase()),
        text: format!("{{{{- if not ({look}) }}}}\n{body}{{{{- end }}}}\n"),
    }
}

/// A word that YAML writes without quotes and that no value of the user's contains.
fn mark(objects: &[Value]) -> String {
    let all: String = objects.iter().map(Value::to_string).collect();
    let mut mark = "metaparticle-mark".to_owned();
    while all.contains(&mark) {
        mark.push('x');
    }
    mark
}

/// Whether the tag is `1.2.3` or `1.2.3-rest`.
fn is_version(tag: &str) -> bool {
    let (numbers, rest) = tag
        .split_once('-')
        .map_or((tag, None), |(numbers, rest)| (numbers, Some(rest)));
    let number =
        |part: &str| part == "0" || (!part.starts_with(['0', '+']) && part.parse::<u64>().is_ok());
    let identifier = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && (number(part) || !part.bytes().all(|b| b.is_ascii_digit()))
    };
    numbers.split('.').count() == 3
        && numbers.split('.').all(number)
        && rest.is_none_or(|rest| rest.split('.').all(identifier))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EnvName, render::manifests, sample};

    fn template(value: &str) -> String {
        let mut spec = sample::app();
        spec.env
            .insert(EnvName::parse("A").unwrap(), value.to_owned());
        chart(&spec, &manifests(&spec, "image:1"), "image:1")
            .remove(2)
            .text
    }

    #[test]
    fn braces_of_the_user_are_no_actions() {
        let text = template("{{{ .Values.image }}}");
        assert!(
            text.contains(r#"value: "{{ "{{" }}{ .Values.image }}}""#),
            "{text}"
        );
    }

    #[test]
    fn a_value_like_the_mark_is_not_replaced() {
        let text = template("metaparticle-mark-image");
        assert!(text.contains("value: metaparticle-mark-image"), "{text}");
        assert!(
            text.contains("image: {{ .Values.image | quote }}"),
            "{text}"
        );
        assert!(text.contains("replicas: {{ .Values.replicas }}"), "{text}");
    }

    #[test]
    fn only_semantic_versions_number_a_chart() {
        for tag in ["0.1.0", "10.20.30", "1.0.0-rc.1", "1.0.0-a-b.0"] {
            assert!(is_version(tag), "{tag}");
        }
        for tag in [
            "v1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0_x", "latest", "1..0",
            "1.0.+0",
        ] {
            assert!(!is_version(tag), "{tag}");
        }
    }
}
