//! What makes pods: Deployments, `ReplicaSets`, `StatefulSets`, Jobs.

use serde_json::Value;

use super::{Row, age, is_true, items, number, or, shown, text};

/// Name, ready, up to date, available, age; containers, images, selector.
pub(super) fn deployment(row: &Row<'_>) -> Vec<Value> {
    let (spec, status) = (row.spec(), row.status());
    let [containers, images] = Row::containers(&spec["template"]);
    vec![
        row.name(),
        ready(row),
        number(&status["updatedReplicas"]).into(),
        number(&status["availableReplicas"]).into(),
        row.age(),
        containers,
        images,
        shown(&spec["selector"]).into(),
    ]
}

/// Name, desired, current, ready, age; containers, images, selector.
pub(super) fn replica_set(row: &Row<'_>) -> Vec<Value> {
    let (spec, status) = (row.spec(), row.status());
    let [containers, images] = Row::containers(&spec["template"]);
    vec![
        row.name(),
        number(&spec["replicas"]).into(),
        number(&status["replicas"]).into(),
        number(&status["readyReplicas"]).into(),
        row.age(),
        containers,
        images,
        shown(&spec["selector"]).into(),
    ]
}

/// Name, ready, age; containers, images.
pub(super) fn stateful_set(row: &Row<'_>) -> Vec<Value> {
    let [containers, images] = Row::containers(&row.spec()["template"]);
    vec![row.name(), ready(row), row.age(), containers, images]
}

/// Name, controller, revision, age.
pub(super) fn controller_revision(row: &Row<'_>) -> Vec<Value> {
    let owners = items(&row.object["metadata"]["ownerReferences"]);
    let controller = owners.iter().find(|it| it["controller"] == true).map(|it| {
        let kind = text(&it["kind"]).to_lowercase();
        let group = text(&it["apiVersion"])
            .split_once('/')
            .map(|(group, _)| group);
        let group = group.map_or_else(String::new, |it| format!(".{it}"));
        format!("{kind}{group}/{}", text(&it["name"]))
    });
    vec![
        row.name(),
        controller.unwrap_or_else(|| "<none>".to_owned()).into(),
        number(&row.object["revision"]).into(),
        row.age(),
    ]
}

/// Name, status, completions, duration, age; containers, images, selector.
pub(super) fn job(row: &Row<'_>) -> Vec<Value> {
    let (spec, status) = (row.spec(), row.status());
    let succeeded = number(&status["succeeded"]);
    let completions = match (spec["completions"].as_i64(), number(&spec["parallelism"])) {
        (Some(all), _) => format!("{succeeded}/{all}"),
        (None, several @ 2..) => format!("{succeeded}/1 of {several}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let (start, end) = (&status["startTime"], &status["completionTime"]);
    let duration = match (start.is_null(), end.is_null()) {
        (true, _) => String::new(),
        (false, true) => row.since(start),
        (false, false) => age::between(start, end),
    };
    let is = |condition: &str| is_true(row.object, condition);
    let state = match () {
        () if is("Complete") => "Complete",
        () if is("Failed") => "Failed",
        () if !row.object["metadata"]["deletionTimestamp"].is_null() => "Terminating",
        () if is("Suspended") => "Suspended",
        () if is("FailureTarget") => "FailureTarget",
        () if is("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    };
    let [containers, images] = Row::containers(&spec["template"]);
    vec![
        row.name(),
        state.into(),
        completions.into(),
        duration.into(),
        row.age(),
        containers,
        images,
        shown(&spec["selector"]).into(),
    ]
}

/// Name, schedule, time zone, suspend, active, last schedule, age; containers, images, selector.
pub(super) fn cron_job(row: &Row<'_>) -> Vec<Value> {
    let (spec, status) = (row.spec(), row.status());
    let last = &status["lastScheduleTime"];
    let job = &spec["jobTemplate"]["spec"];
    let [containers, images] = Row::containers(&job["template"]);
    let suspended = match spec["suspend"].as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    vec![
        row.name(),
        spec["schedule"].clone(),
        or(&spec["timeZone"], "<none>").into(),
        suspended.into(),
        items(&status["active"]).len().into(),
        if last.is_null() {
            "<none>".into()
        } else {
            row.since(last).into()
        },
        row.age(),
        containers,
        images,
        shown(&job["selector"]).into(),
    ]
}

fn ready(row: &Row<'_>) -> Value {
    let ready = number(&row.status()["readyReplicas"]);
    format!("{ready}/{}", number(&row.spec()["replicas"])).into()
}
