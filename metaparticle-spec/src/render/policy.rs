//! The admission policy that refuses what deposed holders write, and its binding: objects of the whole cluster, the same
//! for every application (rule F1 of `metaparticle-protocol`).

use metaparticle_protocol::fence::policy::{BINDING, NAME, POLICY};
use serde_json::Value;

pub(super) fn fencing() -> [Value; 2] {
    [POLICY, BINDING].map(|text| {
        serde_json::from_str(text).expect("the texts of the protocol are JSON: a test reads them")
    })
}

/// Whether a generated object belongs to no single application: it is written where it is not there, and never deleted.
#[must_use]
pub fn is_shared(object: &Value) -> bool {
    object["metadata"]["name"] == NAME
        && matches!(
            object["kind"].as_str(),
            Some("ValidatingAdmissionPolicy" | "ValidatingAdmissionPolicyBinding")
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AppSpec, render::manifests, sample};

    fn kinds(spec: &AppSpec) -> Vec<(String, bool)> {
        let objects = manifests(spec, "image:1");
        let kind = |object: &Value| object["kind"].as_str().unwrap_or_default().to_owned();
        objects
            .iter()
            .map(|object| (kind(object), is_shared(object)))
            .collect()
    }

    #[test]
    fn policy_comes_on_request_with_the_rights_to_coordinate() {
        let asked = kinds(&AppSpec {
            policy: true,
            ..sample::app()
        });
        let shared: Vec<_> = asked.iter().filter(|(_, shared)| *shared).collect();
        assert_eq!(shared.len(), 2, "{asked:?}");
        assert!(asked.iter().any(|(kind, _)| kind == "Role"), "{asked:?}");
        let unasked = kinds(&AppSpec {
            coordination: true,
            ..sample::app()
        });
        assert!(unasked.iter().all(|(_, shared)| !shared), "{unasked:?}");
    }
}
