//! Label selectors of controllers, and what a controller does with an object that they match or do not.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    LabelSelector, LabelSelectorRequirement, ObjectMeta,
};

use super::object::controller_of;

/// Labels of an object.
pub(super) type Labels = BTreeMap<String, String>;

/// Whether the selector selects an object with these labels. An empty one selects all.
pub(super) fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    let mut equal = selector.match_labels.iter().flatten();
    let mut expressions = selector.match_expressions.iter().flatten();
    equal.all(|(key, value)| labels.get(key) == Some(value))
        && expressions.all(|it| holds(it, labels))
}

/// Whether it selects by nothing, and so all.
pub(super) fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.iter().flatten().next().is_none()
        && selector.match_expressions.iter().flatten().next().is_none()
}

fn holds(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let listed = value.is_some_and(|it| requirement.values.iter().flatten().any(|one| one == it));
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// What a controller does with an object of the kind that it controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is its own.
    Keep,
    /// It has no controller and matches: becomes its own.
    Adopt,
    /// It is its own and no longer matches: is let go.
    Release,
    /// It is somebody else's.
    Ignore,
}

/// Decides about one object. `deleting`: whether the controlling object is going.
pub(super) fn claim(
    uid: &str,
    deleting: bool,
    selector: &LabelSelector,
    candidate: &ObjectMeta,
) -> Claim {
    let nothing = Labels::new();
    let selected = matches(selector, candidate.labels.as_ref().unwrap_or(&nothing));
    match controller_of(candidate) {
        Some(owner) if owner.uid != uid => Claim::Ignore,
        Some(_) if selected => Claim::Keep,
        Some(_) if deleting => Claim::Ignore,
        Some(_) => Claim::Release,
        None if deleting || !selected || candidate.deletion_timestamp.is_some() => Claim::Ignore,
        None => Claim::Adopt,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn selects(selector: Value, labels: Value) -> bool {
        let selector = serde_json::from_value(selector).unwrap();
        matches(&selector, &serde_json::from_value(labels).unwrap())
    }

    #[test]
    fn labels_and_expressions_must_all_hold() {
        let tier = |operator: &str, values: Value| {
            json!({"matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "tier", "operator": operator, "values": values}]})
        };
        let front = json!({"app": "web", "tier": "front"});
        let bare = json!({"app": "web"});
        assert!(selects(tier("In", json!(["front", "back"])), front.clone()));
        assert!(!selects(tier("In", json!(["back"])), front.clone()));
        assert!(!selects(tier("In", json!(["back"])), bare.clone()));
        assert!(!selects(tier("NotIn", json!(["front"])), front.clone()));
        assert!(selects(tier("NotIn", json!(["front"])), bare.clone()));
        assert!(selects(tier("Exists", json!([])), front.clone()));
        assert!(!selects(tier("Exists", json!([])), bare.clone()));
        assert!(selects(tier("DoesNotExist", json!([])), bare));
        assert!(!selects(
            tier("Exists", json!([])),
            json!({"app": "db", "tier": "front"})
        ));
        assert!(selects(json!({}), front));
    }

    fn claimed(deleting: bool, candidate: Value) -> Claim {
        let selector = serde_json::from_value(json!({"matchLabels": {"app": "web"}})).unwrap();
        claim(
            "me",
            deleting,
            &selector,
            &serde_json::from_value(candidate).unwrap(),
        )
    }

    #[test]
    fn an_orphan_that_matches_is_adopted_unless_either_is_going() {
        let web = json!({"labels": {"app": "web"}});
        assert_eq!(claimed(false, web.clone()), Claim::Adopt);
        assert_eq!(claimed(true, web), Claim::Ignore);
        assert_eq!(
            claimed(false, json!({"labels": {"app": "db"}})),
            Claim::Ignore
        );
        let going = json!({"labels": {"app": "web"}, "deletionTimestamp": "2026-01-02T03:04:05Z"});
        assert_eq!(claimed(false, going), Claim::Ignore);
    }

    #[test]
    fn an_own_object_that_stops_matching_is_released() {
        let owned = |uid: &str, app: &str| {
            json!({"labels": {"app": app}, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": uid, "controller": true}]})
        };
        assert_eq!(claimed(false, owned("me", "web")), Claim::Keep);
        assert_eq!(claimed(true, owned("me", "web")), Claim::Keep);
        assert_eq!(claimed(false, owned("me", "db")), Claim::Release);
        assert_eq!(claimed(true, owned("me", "db")), Claim::Ignore);
        assert_eq!(claimed(false, owned("other", "web")), Claim::Ignore);
    }
}
