//! The `ApplySet` of an application: which objects belong to it, as labels in the cluster that kubectl understands.
//!
//! Source: [KEP-3659](https://github.com/kubernetes/enhancements/tree/master/keps/sig-cli/3659-kubectl-apply-prune).
//! The parent is a ConfigMap; the members carry its id. What was deployed is thus known to the cluster alone.

use std::{collections::BTreeSet, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::object::GroupKind;

/// Label of a member: the id of its set.
pub(crate) const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// Label of the parent: the id of the set.
pub(crate) const ID: &str = "applyset.kubernetes.io/id";
/// Annotation of the parent: which tool looks after the set.
pub(crate) const TOOLING: &str = "applyset.kubernetes.io/tooling";
/// Annotation of the parent: of which kinds members may exist.
pub(crate) const GROUP_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// The tool, without its version.
const TOOL: &str = "metaparticle";

/// Identity of a set, from name, namespace and kind of its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Id(String);

impl Id {
    /// The set of an application in a namespace.
    pub(crate) fn of(app: &str, namespace: &str) -> Self {
        // <name>.<namespace>.<kind>.<group>, and the group of ConfigMap is empty.
        let parent = format!("{}.{namespace}.ConfigMap.", parent_name(app));
        let hash = ring::digest::digest(&ring::digest::SHA256, parent.as_bytes());
        Self(format!(
            "applyset-{}-v1",
            URL_SAFE_NO_PAD.encode(hash.as_ref())
        ))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of the parent of an application's set.
pub(crate) fn parent_name(app: &str) -> String {
    format!("metaparticle-{app}")
}

/// The parent as it is wanted, recording that members of these kinds may exist.
pub(crate) fn parent(
    app: &str,
    namespace: &str,
    id: &Id,
    group_kinds: &BTreeSet<GroupKind>,
) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": parent_name(app),
            "namespace": namespace,
            "labels": {
                ID: id.as_str(),
                "app.kubernetes.io/managed-by": TOOL,
                "app.kubernetes.io/name": app,
            },
            "annotations": {
                TOOLING: format!("{TOOL}/v{}", env!("CARGO_PKG_VERSION")),
                GROUP_KINDS: group_kinds_text(group_kinds),
            },
        },
    })
}

/// Whether an annotation [`TOOLING`] names this tool, in whatever version.
pub(crate) fn is_ours(tooling: &str) -> bool {
    tooling
        .split_once('/')
        .is_some_and(|(tool, _)| tool == TOOL)
}

/// Reads the annotation [`GROUP_KINDS`].
pub(crate) fn group_kinds(text: &str) -> BTreeSet<GroupKind> {
    let kinds = text
        .split(',')
        .map(str::trim)
        .filter(|kind| !kind.is_empty());
    kinds.map(GroupKind::parse).collect()
}

/// Sorted as text, as kubectl does.
fn group_kinds_text(group_kinds: &BTreeSet<GroupKind>) -> String {
    let mut kinds: Vec<String> = group_kinds.iter().map(ToString::to_string).collect();
    kinds.sort();
    kinds.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `printf 'metaparticle-web.shop.ConfigMap.' | sha256sum | xxd -r -p | base64 | tr '+/' '-_'`.
    #[test]
    fn the_id_is_the_hash_that_the_kep_defines() {
        let id = Id::of("web", "shop");
        assert_eq!(
            id.as_str(),
            "applyset-v1eqRtYGbxQEUzjn9v8SySNlsdTP6eYm1DMXcPApM2c-v1"
        );
    }

    #[test]
    fn the_id_fits_a_label() {
        assert!(Id::of(&"a".repeat(63), &"b".repeat(63)).as_str().len() <= 63);
    }

    #[test]
    fn recorded_kinds_are_sorted_and_read_back() {
        let kinds = group_kinds("Service,Deployment.apps, ServiceAccount,");
        assert_eq!(
            group_kinds_text(&kinds),
            "Deployment.apps,Service,ServiceAccount"
        );
    }

    #[test]
    fn any_version_of_this_tool_is_ours_and_another_tool_is_not() {
        assert!(is_ours("metaparticle/v9.9.9"));
        assert!(!is_ours("kubectl/v1.33.0"));
        assert!(!is_ours("metaparticle"));
    }
}
