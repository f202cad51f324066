//! `ControllerRevision`.

use super::{Rules, at::At};

pub(super) const RULES: Rules = Rules {
    default: |object| super::edit::absent(object, "revision", 0),
    validate_new: |object| {
        let data = At::root(object, "data");
        if data.value.is_object() {
            return Vec::new();
        }
        let detail = if data.is_set() {
            "data must be a valid JSON object"
        } else {
            "data is mandatory"
        };
        vec![data.required(detail)]
    },
    validate: |object| {
        At::root(object, "revision")
            .not_negative()
            .into_iter()
            .collect()
    },
    validate_update: |old, new| {
        let data = |it| At::root(it, "data");
        data(new).same_as(&data(old)).into_iter().collect()
    },
    renamed: true,
    ..Rules::PLAIN
};
