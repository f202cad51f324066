//! How many pods a Deployment may have at most and must have at least while it rolls.

use k8s_openapi::{api::apps::v1::DeploymentSpec, apimachinery::pkg::util::intstr::IntOrString};

use crate::controllers::amount::scaled;

/// `maxSurge` and `maxUnavailable` as numbers of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// `spec.replicas`.
    pub(super) replicas: i32,
    /// How many pods more are allowed.
    pub(super) surge: i32,
    /// How many pods may be missing.
    pub(super) unavailable: i32,
}

impl Bounds {
    /// Percentages are of `replicas`: surge is rounded up, unavailable down. Both 0 would never move: then one pod may be
    /// missing.
    pub(super) fn of(spec: &DeploymentSpec) -> Self {
        let replicas = spec.replicas.unwrap_or(1);
        if is_recreate(spec) {
            return Self {
                replicas,
                surge: 0,
                unavailable: 0,
            };
        }
        let rolling = spec
            .strategy
            .as_ref()
            .and_then(|it| it.rolling_update.as_ref());
        let quarter = IntOrString::String("25%".to_owned());
        let surge = rolling
            .and_then(|it| it.max_surge.as_ref())
            .unwrap_or(&quarter);
        let missing = rolling
            .and_then(|it| it.max_unavailable.as_ref())
            .unwrap_or(&quarter);
        let surge = scaled(surge, replicas, true);
        let unavailable = match scaled(missing, replicas, false) {
            0 if surge == 0 => 1,
            some => some,
        };
        Self {
            replicas,
            surge,
            unavailable: unavailable.min(replicas),
        }
    }

    /// The most pods there may be.
    pub(super) fn most(self) -> i32 {
        self.replicas.saturating_add(self.surge)
    }

    /// The fewest available pods there must be.
    pub(super) fn least(self) -> i32 {
        self.replicas - self.unavailable
    }
}

/// Whether all old pods go before the first new one comes.
pub(super) fn is_recreate(spec: &DeploymentSpec) -> bool {
    let strategy = spec.strategy.as_ref().and_then(|it| it.type_.as_deref());
    strategy == Some("Recreate")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
    fn bounds(replicas: i32, surge: Value, unavailable: Value) -> (i32, i32) {
        let spec = json!({"replicas": replicas, "selector": {}, "template": {}, "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}});
        let bounds = Bounds::of(&serde_json::from_value(spec).unwrap());
        (bounds.surge, bounds.unavailable)
    }

    #[test]
    fn surge_is_rounded_up_and_unavailable_down() {
        assert_eq!(bounds(4, json!("25%"), json!("25%")), (1, 1));
        assert_eq!(bounds(5, json!("25%"), json!("25%")), (2, 1));
        assert_eq!(bounds(3, json!("25%"), json!("25%")), (1, 0));
        assert_eq!(bounds(3, json!(2), json!(1)), (2, 1));
    }

    #[test]
    fn one_pod_may_be_missing_when_nothing_else_could_move() {
        assert_eq!(bounds(3, json!(0), json!("10%")), (0, 1));
        assert_eq!(bounds(3, json!("0%"), json!(0)), (0, 1));
    }

    #[test]
    fn no_more_pods_can_be_missing_than_are_wanted() {
        assert_eq!(bounds(2, json!(1), json!(5)), (1, 2));
        assert_eq!(bounds(0, json!(1), json!(1)), (1, 0));
    }
}
