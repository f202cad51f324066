//! `PodDisruptionBudget`. It is stored and served, not acted on.

use super::{Rules, default_status, edit, spec_changed};

pub(super) const RULES: Rules = Rules {
    default: |object| {
        edit::slot(object, "spec");
        let counts = [
            "currentHealthy",
            "desiredHealthy",
            "disruptionsAllowed",
            "expectedPods",
        ];
        default_status(object, &counts, &[]);
    },
    generation: Some(spec_changed),
    conditional: true,
    ..Rules::PLAIN
};
