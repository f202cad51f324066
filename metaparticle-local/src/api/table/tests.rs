//! What a recording cannot hold: ages.

use super::*;
use crate::api::resource;

#[test]
fn every_kind_has_a_cell_for_each_column() {
    for resource in resource::ALL {
        let columns = columns(resource);
        let cells = cells(resource, &json!({}), Timestamp::UNIX_EPOCH);
        assert_eq!(items(&columns).len(), cells.len(), "{}", resource.kind);
    }
}

#[test]
fn the_last_restart_is_told_with_their_number() {
    let ended = |time: &str| json!({"terminated": {"exitCode": 1, "finishedAt": time}});
    let pod = json!({
        "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{"name": "a"}, {"name": "b"}]},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "a", "restartCount": 2, "lastState": ended("2026-01-01T00:00:55Z")},
            {"name": "b", "restartCount": 1, "lastState": ended("2026-01-01T00:00:50Z")},
        ]},
    });
    let now = "2026-01-01T00:01:00Z".parse().unwrap();
    let cells = cells(&resource::POD, &pod, now);
    assert_eq!(cells[3], "3 (5s ago)");
    assert_eq!(cells[4], "60s");
}

#[test]
fn a_pod_that_is_being_deleted_is_terminating_unless_it_has_ended() {
    for (phase, status) in [("Running", "Terminating"), ("Succeeded", "Succeeded")] {
        let pod = json!({
            "metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"phase": phase},
        });
        assert_eq!(
            cells(&resource::POD, &pod, Timestamp::UNIX_EPOCH)[2],
            status
        );
    }
}
