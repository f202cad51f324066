//! Role and RoleBinding.

use super::{Rules, names};

pub(super) const ROLE: Rules = Rules {
    name: names::path_segment,
    ..Rules::PLAIN
};

pub(super) const ROLE_BINDING: Rules = Rules {
    name: names::path_segment,
    ..Rules::PLAIN
};
