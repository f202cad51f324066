//! Role and RoleBinding.

use super::{Rules, names};
use crate::api::failure::FieldError;

pub(super) const ROLE: Rules = Rules {
    name: names::path_segment,
    ..Rules::PLAIN
};

pub(super) const ROLE_BINDING: Rules = Rules {
    name: names::path_segment,
    validate_update: |old, new| {
        let changed = old["roleRef"] != new["roleRef"];
        let error = || FieldError::invalid("roleRef", &new["roleRef"], "cannot change roleRef");
        changed.then(error).into_iter().collect()
    },
    ..Rules::PLAIN
};
