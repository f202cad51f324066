//! Tables for `kubectl get`: columns and cells of each kind, as the real server prints them.

mod age;
mod columns;
mod network;
mod other;
mod pod;
mod workload;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::resource::Resource;

/// `columnDefinitions` of a kind.
#[must_use]
pub fn columns(resource: &'static Resource) -> Value {
    let columns = columns::of(resource.kind).into_iter().map(|column| {
        json!({
            "name": column.name, "type": column.kind, "description": column.description,
            "format": if column.name == "Name" { "name" } else { "" },
            "priority": i32::from(column.wide),
        })
    });
    columns.collect()
}

/// `cells` of one object. `now` is for ages.
#[must_use]
pub fn cells(resource: &'static Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    let row = Row { object, now };
    match resource.kind {
        "Pod" => pod::cells(&row),
        "Deployment" => workload::deployment(&row),
        "ReplicaSet" => workload::replica_set(&row),
        "StatefulSet" => workload::stateful_set(&row),
        "ControllerRevision" => workload::controller_revision(&row),
        "Job" => workload::job(&row),
        "CronJob" => workload::cron_job(&row),
        "Service" => network::service(&row),
        "EndpointSlice" => network::endpoint_slice(&row),
        "Ingress" => network::ingress(&row),
        "NetworkPolicy" => network::network_policy(&row),
        "Namespace" => other::namespace(&row),
        "Node" => other::node(&row),
        "ConfigMap" => other::config_map(&row),
        "Secret" => other::secret(&row),
        "Event" => other::event(&row),
        "Lease" => other::lease(&row),
        "Role" => other::role(&row),
        "RoleBinding" => other::role_binding(&row),
        "PodDisruptionBudget" => other::pod_disruption_budget(&row),
        "HorizontalPodAutoscaler" => other::horizontal_pod_autoscaler(&row),
        _ => vec![row.name(), row.age()],
    }
}

/// An object to print, and the time.
struct Row<'a> {
    object: &'a Value,
    now: Timestamp,
}

impl<'a> Row<'a> {
    fn name(&self) -> Value {
        self.object["metadata"]["name"].clone()
    }

    /// How long it has been there.
    fn age(&self) -> Value {
        self.since(&self.object["metadata"]["creationTimestamp"])
            .into()
    }

    /// How long ago a time was.
    fn since(&self, time: &Value) -> String {
        age::since(time, self.now)
    }

    fn spec(&self) -> &'a Value {
        &self.object["spec"]
    }

    fn status(&self) -> &'a Value {
        &self.object["status"]
    }

    /// Names and images of the containers of a template.
    fn containers(template: &Value) -> [Value; 2] {
        ["name", "image"].map(|field| {
            let values = items(&template["spec"]["containers"]).iter();
            let values: Vec<&str> = values.map(|it| text(&it[field])).collect();
            values.join(",").into()
        })
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The text, or what stands for none.
fn or<'a>(value: &'a Value, none: &'a str) -> &'a str {
    match text(value) {
        "" => none,
        text => text,
    }
}

/// Labels or a selector of labels, as one text.
fn labels(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect();
    if pairs.is_empty() {
        return "<none>".to_owned();
    }
    pairs.join(",")
}

/// A `LabelSelector` in a column.
fn shown(value: &Value) -> String {
    let text = selector(value);
    if text.is_empty() {
        return "<none>".to_owned();
    }
    text
}

/// A `LabelSelector`, as one text.
pub fn selector(selector: &Value) -> String {
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let mut rules: Vec<(&str, String)> = equal
        .map(|(key, value)| (key.as_str(), format!("{key}={}", text(value))))
        .collect();
    for rule in items(&selector["matchExpressions"]) {
        let key = text(&rule["key"]);
        let mut values: Vec<&str> = items(&rule["values"]).iter().map(text).collect();
        values.sort_unstable();
        let values = values.join(",");
        rules.push((
            key,
            match text(&rule["operator"]) {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "Exists" => key.to_owned(),
                _ => format!("!{key}"),
            },
        ));
    }
    rules.sort_by_key(|(key, _)| *key);
    let rules: Vec<String> = rules.into_iter().map(|(_, text)| text).collect();
    rules.join(",")
}

/// Whether the status has a condition of that type that is true.
fn is_true(object: &Value, condition: &str) -> bool {
    let mut conditions = items(&object["status"]["conditions"]).iter();
    conditions.any(|it| it["type"] == condition && it["status"] == "True")
}

#[cfg(test)]
mod tests;
