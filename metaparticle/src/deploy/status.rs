//! `status`: the deployed objects, whether they are ready, and where they are reached.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    apply::{Error, object::GroupKind, survey::survey},
    cluster::{self, Cluster},
    report::{Event, Report},
};

/// Tells all members of an application's set. Returns how many there are.
///
/// # Errors
/// That the API server refuses.
///
/// # Cancel safety
/// Cancel safe: it only reads.
pub async fn status(cluster: &Cluster, app: &str, report: &Report) -> Result<usize, Error> {
    let mut found = survey(cluster, app, &[], &BTreeSet::new()).await?;
    found.members.sort_by(|a, b| a.key.cmp(&b.key));
    for member in &found.members {
        let resource = found.resource(&member.key);
        let api = cluster.api(resource);
        let object = cluster
            .call(format_args!("read {}", member.key), async || {
                api.get_opt(&member.key.name).await
            })
            .await?;
        let Some(object) = object else { continue };
        let object = serde_json::to_value(&object).map_err(|source| cluster::Error::Protocol {
            server: cluster.server.clone(),
            doing: format!("read {}", member.key),
            source: source.into(),
        })?;
        let (ready, message) = describe(&member.key.group_kind, &cluster.namespace, &object);
        report.event(Event::Status {
            kind: member.key.group_kind.kind.clone(),
            name: member.key.name.clone(),
            ready,
            message: if member.deleting {
                "is being deleted".into()
            } else {
                message
            },
        });
    }
    Ok(found.members.len())
}

/// Whether an object is ready, and what else is worth saying.
fn describe(group_kind: &GroupKind, namespace: &str, object: &Value) -> (Option<bool>, String) {
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let image = object
        .pointer("/spec/template/spec/containers/0/image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match group_kind.kind.as_str() {
        "Deployment" | "StatefulSet" => {
            let (ready, wanted) = (number("/status/readyReplicas"), number("/spec/replicas"));
            let updated = number("/status/updatedReplicas");
            let seen = number("/status/observedGeneration") >= number("/metadata/generation");
            let state = if seen && updated < wanted {
                format!("{ready} of {wanted} pods ready, {updated} of them new, {image}")
            } else {
                format!("{ready} of {wanted} pods ready, {image}")
            };
            (Some(seen && ready >= wanted && updated >= wanted), state)
        }
        "Job" => {
            let done = |kind: &str| {
                let conditions = object
                    .pointer("/status/conditions")
                    .and_then(Value::as_array);
                conditions
                    .into_iter()
                    .flatten()
                    .any(|condition| condition["type"] == kind && condition["status"] == "True")
            };
            let (succeeded, wanted) = (number("/status/succeeded"), number("/spec/completions"));
            let ready = match (done("Complete"), done("Failed")) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            };
            let failed = if ready == Some(false) { ", failed" } else { "" };
            (
                ready,
                format!("{succeeded} of {wanted} done{failed}, {image}"),
            )
        }
        "Service" => (None, urls(namespace, object)),
        _ => (None, String::new()),
    }
}

/// Where a Service is reached: inside the cluster, and from outside if it has an address there.
fn urls(namespace: &str, service: &Value) -> String {
    let name = service["metadata"]["name"].as_str().unwrap_or_default();
    let ports = service["spec"]["ports"].as_array();
    let ports: Vec<String> = ports
        .into_iter()
        .flatten()
        .filter_map(|port| {
            let number = port["port"].as_i64()?;
            Some(match port["protocol"].as_str() {
                Some("UDP") => format!("{number}/udp"),
                _ => number.to_string(),
            })
        })
        .collect();
    let mut text = format!("{name}.{namespace}.svc port {}", ports.join(", "));
    let ingress = service
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array);
    let outside: Vec<&str> = ingress
        .into_iter()
        .flatten()
        .filter_map(|ingress| {
            ingress["hostname"]
                .as_str()
                .or_else(|| ingress["ip"].as_str())
        })
        .collect();
    if !outside.is_empty() {
        text += ", from outside ";
        text += &outside.join(", ");
    } else if service["spec"]["type"] == "LoadBalancer" {
        text += ", from outside: no address yet";
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn described(group_kind: &str, object: &Value) -> (Option<bool>, String) {
        describe(&GroupKind::parse(group_kind), "shop", object)
    }

    #[test]
    fn a_deployment_is_ready_when_all_new_pods_are() {
        let deployment = |observed, updated, ready| {
            json!({
                "metadata": {"generation": 2},
                "spec": {"replicas": 4, "template": {"spec": {"containers": [{"image": "web@sha256:1"}]}}},
                "status": {"observedGeneration": observed, "updatedReplicas": updated, "readyReplicas": ready},
            })
        };
        let ready = described("Deployment.apps", &deployment(2, 4, 4));
        assert_eq!(
            ready,
            (Some(true), "4 of 4 pods ready, web@sha256:1".into())
        );
        for not_yet in [
            deployment(1, 4, 4),
            deployment(2, 3, 4),
            deployment(2, 4, 3),
        ] {
            assert_eq!(described("Deployment.apps", &not_yet).0, Some(false));
        }
    }

    #[test]
    fn a_job_is_undecided_until_it_completes_or_fails() {
        let job = |conditions: Value| json!({"spec": {"completions": 2}, "status": {"succeeded": 1, "conditions": conditions}});
        let condition = |kind: &str| job(json!([{"type": kind, "status": "True"}]));
        assert_eq!(described("Job.batch", &job(json!([]))).0, None);
        assert_eq!(described("Job.batch", &condition("Complete")).0, Some(true));
        assert_eq!(described("Job.batch", &condition("Failed")).0, Some(false));
    }

    #[test]
    fn a_service_says_where_it_is() {
        let service = json!({
            "metadata": {"name": "web"},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
        });
        let (ready, text) = described("Service", &service);
        assert_eq!(ready, None);
        assert_eq!(text, "web.shop.svc port 80, 53/udp, from outside 192.0.2.1");
    }
}
