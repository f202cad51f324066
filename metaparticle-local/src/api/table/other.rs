//! Everything else.

use serde_json::Value;

use super::{Row, is_true, items, number, or, text};

/// Name, status, age.
pub(super) fn namespace(row: &Row<'_>) -> Vec<Value> {
    vec![row.name(), row.status()["phase"].clone(), row.age()]
}

/// Name, status, roles, age, version; addresses, system.
pub(super) fn node(row: &Row<'_>) -> Vec<Value> {
    let status = row.status();
    let known = items(&status["conditions"])
        .iter()
        .any(|it| it["type"] == "Ready");
    let mut state = match (known, is_true(row.object, "Ready")) {
        (false, _) => "Unknown".to_owned(),
        (true, true) => "Ready".to_owned(),
        (true, false) => "NotReady".to_owned(),
    };
    if row.spec()["unschedulable"] == true {
        state += ",SchedulingDisabled";
    }
    let labels = row.object["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten();
    let mut roles: Vec<&str> = labels
        .filter_map(
            |(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
                None if key == "kubernetes.io/role" => value.as_str(),
                role => role,
            },
        )
        .filter(|it| !it.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    let roles = roles.join(",");
    let info = &status["nodeInfo"];
    let address = |kind: &str| -> Value {
        let mut all = items(&status["addresses"]).iter();
        let found = all.find(|it| it["type"] == kind);
        found.map_or("<none>", |it| text(&it["address"])).into()
    };
    let mut kernel = or(&info["kernelVersion"], "<unknown>").to_owned();
    if !text(&info["architecture"]).is_empty() {
        kernel = format!("{kernel} ({})", text(&info["architecture"]));
    }
    vec![
        row.name(),
        state.into(),
        or(&roles.into(), "<none>").into(),
        row.age(),
        text(&info["kubeletVersion"]).into(),
        address("InternalIP"),
        address("ExternalIP"),
        or(&info["osImage"], "<unknown>").into(),
        kernel.into(),
        or(&info["containerRuntimeVersion"], "<unknown>").into(),
    ]
}

/// Name, how many keys, age.
pub(super) fn config_map(row: &Row<'_>) -> Vec<Value> {
    let keys = size(&row.object["data"]) + size(&row.object["binaryData"]);
    vec![row.name(), keys.into(), row.age()]
}

/// Name, type, how many keys, age.
pub(super) fn secret(row: &Row<'_>) -> Vec<Value> {
    let object = row.object;
    vec![
        row.name(),
        object["type"].clone(),
        size(&object["data"]).into(),
        row.age(),
    ]
}

/// Last seen, type, reason, object, part of it, source, message, first seen, count, name.
pub(super) fn event(row: &Row<'_>) -> Vec<Value> {
    let event = row.object;
    let when = |field: &str| Some(&event[field]).filter(|it| !it.is_null());
    let first = when("firstTimestamp").unwrap_or(&event["eventTime"]);
    let series = &event["series"];
    let last = when("lastTimestamp").unwrap_or(first);
    let (last, count) = if series.is_null() {
        (last, number(&event["count"]).max(1))
    } else {
        (&series["lastObservedTime"], number(&series["count"]))
    };
    let about = &event["involvedObject"];
    let kind = text(&about["kind"]).to_lowercase();
    let object = match text(&about["name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    vec![
        row.since(last).into(),
        text(&event["type"]).into(),
        text(&event["reason"]).into(),
        object.into(),
        text(&about["fieldPath"]).into(),
        source(event).into(),
        text(&event["message"]).trim().into(),
        row.since(first).into(),
        count.into(),
        row.name(),
    ]
}

/// Who saw it.
fn source(event: &Value) -> String {
    let (old, new) = (&event["source"], &event["reportingComponent"]);
    let component = or(&old["component"], text(new)).to_owned();
    match or(&old["host"], text(&event["reportingInstance"])) {
        "" => component,
        host => format!("{component}, {host}"),
    }
}

/// Name, holder, age.
pub(super) fn lease(row: &Row<'_>) -> Vec<Value> {
    vec![
        row.name(),
        text(&row.spec()["holderIdentity"]).into(),
        row.age(),
    ]
}

/// Name, when it was created.
pub(super) fn role(row: &Row<'_>) -> Vec<Value> {
    vec![
        row.name(),
        row.object["metadata"]["creationTimestamp"].clone(),
    ]
}

/// Name, role, age; users, groups, accounts.
pub(super) fn role_binding(row: &Row<'_>) -> Vec<Value> {
    let binding = row.object;
    let role = &binding["roleRef"];
    let subjects = |kind: &str| -> Value {
        let all = items(&binding["subjects"])
            .iter()
            .filter(|it| it["kind"] == kind);
        let names = all.map(|it| match text(&it["namespace"]) {
            "" => text(&it["name"]).to_owned(),
            namespace => format!("{namespace}/{}", text(&it["name"])),
        });
        names.collect::<Vec<_>>().join(", ").into()
    };
    vec![
        row.name(),
        format!("{}/{}", text(&role["kind"]), text(&role["name"])).into(),
        row.age(),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}

/// Name, minimum, maximum, allowed disruptions, age.
pub(super) fn pod_disruption_budget(row: &Row<'_>) -> Vec<Value> {
    let limit = |field: &str| -> Value {
        match &row.spec()[field] {
            Value::Null => "N/A".into(),
            Value::String(percent) => percent.as_str().into(),
            number => number.to_string().into(),
        }
    };
    vec![
        row.name(),
        limit("minAvailable"),
        limit("maxUnavailable"),
        number(&row.status()["disruptionsAllowed"]).into(),
        row.age(),
    ]
}

/// Name, what it scales, metrics, bounds, replicas, age.
pub(super) fn horizontal_pod_autoscaler(row: &Row<'_>) -> Vec<Value> {
    let (spec, status) = (row.spec(), row.status());
    let target = &spec["scaleTargetRef"];
    let least = spec["minReplicas"].as_i64();
    vec![
        row.name(),
        format!("{}/{}", text(&target["kind"]), text(&target["name"])).into(),
        metrics(items(&spec["metrics"])).into(),
        least
            .map_or_else(|| "<unset>".to_owned(), |it| it.to_string())
            .into(),
        number(&spec["maxReplicas"]).into(),
        number(&status["currentReplicas"]).into(),
        row.age(),
    ]
}

/// What it would keep; nobody measures it here.
fn metrics(metrics: &[Value]) -> String {
    let one = |metric: &Value| {
        let kind = text(&metric["type"]);
        let source = match kind {
            "Resource" => &metric["resource"],
            "ContainerResource" => &metric["containerResource"],
            "Pods" => &metric["pods"],
            "Object" => &metric["object"],
            "External" => &metric["external"],
            _ => return "<unknown type>".to_owned(),
        };
        let target = &source["target"];
        let average = text(&target["averageValue"]);
        match kind {
            "Resource" | "ContainerResource" => {
                let percent = target["averageUtilization"]
                    .as_i64()
                    .map(|it| format!("{it}%"));
                let percent = percent.unwrap_or_else(|| "<auto>".to_owned());
                let wanted = if average.is_empty() {
                    &percent
                } else {
                    average
                };
                format!("{}: <unknown>/{wanted}", text(&source["name"]))
            }
            "Pods" => format!("<unknown>/{average}"),
            _ if average.is_empty() => format!("<unknown>/{}", text(&target["value"])),
            _ => format!("<unknown>/{average} (avg)"),
        }
    };
    let all: Vec<String> = metrics.iter().map(one).collect();
    match all.len() {
        0 => "<none>".to_owned(),
        1 | 2 => all.join(", "),
        many => format!("{} + {} more...", all[..2].join(", "), many - 2),
    }
}

fn size(map: &Value) -> usize {
    map.as_object().map_or(0, serde_json::Map::len)
}
