//! What the collector does with one object.

use serde_json::Value;

use crate::api::Propagation;

/// The finalizer of an object that waits for its dependents to go.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of an object whose dependents stay.
pub(super) const ORPHAN: &str = "orphan";

/// How an owner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is there, or nobody can know.
    Solid,
    /// It is gone.
    Absent,
    /// It waits for its dependents to go.
    Waiting,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    Keep,
    /// Take these owners off.
    Disown(Vec<String>),
    /// Delete it.
    Delete(Propagation),
    /// Take it off its dependents, then let it go.
    Orphan,
    /// Let it go: no dependent stands in its way.
    Release,
}

/// Decides. `owners`: uid and state of each; `dependents`: whether it has any; `blocked`: whether one of them stands in the
/// way of its deletion.
pub(super) fn decide(
    object: &Value,
    owners: &[(String, State)],
    dependents: bool,
    blocked: bool,
) -> Action {
    let metadata = &object["metadata"];
    let finalizers = metadata["finalizers"].as_array();
    let has = |name: &str| finalizers.is_some_and(|all| all.iter().any(|it| it == name));
    if !metadata["deletionTimestamp"].is_null() {
        return match (has(ORPHAN), has(FOREGROUND)) {
            (true, _) => Action::Orphan,
            (_, true) if !blocked => Action::Release,
            _ => Action::Keep,
        };
    }
    let is = |state: State| owners.iter().any(|it| it.1 == state);
    if is(State::Solid) {
        let gone = owners.iter().filter(|it| it.1 != State::Solid);
        let gone: Vec<String> = gone.map(|it| it.0.clone()).collect();
        return if gone.is_empty() {
            Action::Keep
        } else {
            Action::Disown(gone)
        };
    }
    if owners.is_empty() {
        return Action::Keep;
    }
    Action::Delete(if is(State::Waiting) && dependents {
        Propagation::Foreground
    } else if has(ORPHAN) {
        Propagation::Orphan
    } else if has(FOREGROUND) {
        Propagation::Foreground
    } else {
        Propagation::Background
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decided(owners: &[State], dependents: bool) -> Action {
        let owners: Vec<_> = owners
            .iter()
            .enumerate()
            .map(|(index, state)| (format!("o{index}"), *state))
            .collect();
        decide(&json!({"metadata": {}}), &owners, dependents, false)
    }

    #[test]
    fn an_object_goes_with_its_last_owner() {
        assert_eq!(decided(&[], false), Action::Keep);
        assert_eq!(decided(&[State::Solid], false), Action::Keep);
        assert_eq!(
            decided(&[State::Absent], true),
            Action::Delete(Propagation::Background)
        );
        assert_eq!(
            decided(&[State::Absent, State::Absent], false),
            Action::Delete(Propagation::Background)
        );
        let disowned = Action::Disown(vec!["o0".to_owned(), "o2".to_owned()]);
        assert_eq!(
            decided(&[State::Absent, State::Solid, State::Waiting], false),
            disowned
        );
    }

    #[test]
    fn an_owner_that_waits_takes_its_dependents_along_in_the_foreground() {
        assert_eq!(
            decided(&[State::Waiting], true),
            Action::Delete(Propagation::Foreground)
        );
        assert_eq!(
            decided(&[State::Waiting], false),
            Action::Delete(Propagation::Background)
        );
    }

    fn going(finalizer: &str, blocked: bool) -> Action {
        let object = json!({"metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z", "finalizers": [finalizer]}});
        decide(&object, &[("o".to_owned(), State::Absent)], true, blocked)
    }

    #[test]
    fn an_object_that_goes_waits_for_what_blocks_it() {
        assert_eq!(going(FOREGROUND, true), Action::Keep);
        assert_eq!(going(FOREGROUND, false), Action::Release);
        assert_eq!(going(ORPHAN, true), Action::Orphan);
        assert_eq!(going("example.com/other", false), Action::Keep);
    }
}
