//! Objects of which only the type is known: what a bookmark carries.

use serde_json::{Value, json};

use super::super::resource::Resource;

/// The fields that the type writes even when they are empty, besides type and metadata.
pub(super) fn object(resource: &Resource) -> Value {
    let template = json!({"metadata": {}, "spec": {"containers": null}});
    match resource.kind {
        "Namespace" => json!({"spec": {}, "status": {}}),
        "Node" => json!({"spec": {}, "status": {
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": {
                "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "",
                "containerRuntimeVersion": "", "kubeletVersion": "", "kubeProxyVersion": "", "operatingSystem": "",
                "architecture": "",
            },
        }}),
        "Pod" => json!({"spec": {"containers": null}, "status": {}}),
        "Service" | "Ingress" => json!({"spec": {}, "status": {"loadBalancer": {}}}),
        "Event" => json!({
            "involvedObject": {}, "source": {}, "firstTimestamp": null, "lastTimestamp": null, "eventTime": null,
            "reportingComponent": "", "reportingInstance": "",
        }),
        "Deployment" => json!({
            "spec": {"replicas": 0, "selector": null, "template": template, "strategy": {}}, "status": {},
        }),
        "ReplicaSet" => json!({
            "spec": {"replicas": 0, "selector": null, "template": template}, "status": {"replicas": 0},
        }),
        "StatefulSet" => json!({
            "spec": {
                "replicas": 0, "selector": null, "template": template, "serviceName": "", "updateStrategy": {},
            },
            "status": {"replicas": 0, "availableReplicas": 0},
        }),
        "ControllerRevision" => json!({"data": null, "revision": 0}),
        "Job" => json!({"spec": {"template": template}, "status": {}}),
        "CronJob" => json!({
            "spec": {"schedule": "", "jobTemplate": {"metadata": {}, "spec": {"template": template}}}, "status": {},
        }),
        "EndpointSlice" => json!({"addressType": "", "endpoints": null, "ports": null}),
        "Lease" => json!({"spec": {}}),
        "Role" => json!({"rules": null}),
        "RoleBinding" => json!({"roleRef": {"apiGroup": "", "kind": "", "name": ""}}),
        "PodDisruptionBudget" => json!({
            "spec": {},
            "status": {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
        }),
        "HorizontalPodAutoscaler" => json!({
            "spec": {"scaleTargetRef": {"kind": "", "name": ""}, "maxReplicas": 0},
            "status": {"desiredReplicas": 0, "currentMetrics": null},
        }),
        "NetworkPolicy" => json!({"spec": {"podSelector": {}}}),
        _ => json!({}),
    }
}
