//! Rule F1 as objects of the API server: a `ValidatingAdmissionPolicy` and its binding, as JSON.
//!
//! One pair serves every election and lock of a cluster: it looks at updates of objects that carry one of our
//! annotations, whatever their kind, and at nothing else. What is generated at build time and what a program applies at
//! run time are the same two texts.

/// The policy: an update states each token that the stored object bears, and none lower.
pub const POLICY: &str = include_str!("policy.json");

/// The binding: everywhere, and by refusal.
pub const BINDING: &str = include_str!("binding.json");

/// The name of both objects. It has a version, so that two programs of different versions do not overwrite each other.
pub const NAME: &str = "metaparticle-fencing-v1";

/// How the message of a refusal by the policy begins, within that of the API server.
pub const REFUSAL: &str = "metaparticle fencing: ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fence::Kind;

    #[test]
    fn the_texts_name_what_the_constants_name() {
        for text in [POLICY, BINDING] {
            assert!(text.contains(&format!("\"name\": \"{NAME}\"")), "{text}");
        }
        assert!(BINDING.contains(&format!("\"policyName\": \"{NAME}\"")));
        assert!(POLICY.contains(&format!("'{REFUSAL}'")));
    }

    #[test]
    fn the_policy_looks_at_the_annotations_of_elections_and_locks() {
        for kind in [Kind::Election, Kind::Lock] {
            let look = format!("startsWith('{}/')", kind.domain());
            assert_eq!(
                POLICY.matches(&*look).count(),
                2,
                "{kind}: condition and rule"
            );
        }
    }
}
