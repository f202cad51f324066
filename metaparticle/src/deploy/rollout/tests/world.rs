//! What is seen, in the words of the API.

use std::{error::Error as _, time::Duration};

use serde_json::{Value, from_value, json};

use crate::deploy::rollout::{Diagnosis, Seen, State, Workload, judge};

/// What is seen, put together piece by piece.
pub(super) struct World(pub(super) Seen);

impl World {
    /// A Deployment of revision 2 with `[replicas, updated, available]` in its status.
    pub(super) fn deployment(wanted: i32, status: [i32; 3]) -> Self {
        Self::deployment_from(
            json!({"replicas": wanted}),
            json!({
                "observedGeneration": 2,
                "replicas": status[0],
                "updatedReplicas": status[1],
                "availableReplicas": status[2],
            }),
        )
    }

    pub(super) fn deployment_from(spec: Value, status: Value) -> Self {
        let mut object = json!({
            "metadata": meta("web", "deployment", &json!({"deployment.kubernetes.io/revision": "2"})),
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {}},
            "status": status,
        });
        merge(&mut object["spec"], spec);
        let deployment = from_value(object).unwrap();
        Self(Seen::new(Workload::Deployment(Box::new(deployment))))
            .replica_set("web-1", "1", json!({}))
            .replica_set("web-2", "2", json!({"readyReplicas": 1}))
    }

    pub(super) fn stateful_set(wanted: i32, status: Value) -> Self {
        let object = json!({
            "metadata": meta("users", "set", &json!({})),
            "spec": {"replicas": wanted, "selector": {}, "template": {}, "serviceName": "users-shards"},
            "status": status,
        });
        let set = from_value(object).unwrap();
        Self(Seen::new(Workload::StatefulSet(Box::new(set))))
    }

    pub(super) fn job(spec: Value, status: Value) -> Self {
        let mut object = json!({
            "metadata": meta("batch", "job", &json!({})),
            "spec": {"template": {}},
            "status": status,
        });
        merge(&mut object["spec"], spec);
        Self(Seen::new(Workload::Job(Box::new(
            from_value(object).unwrap(),
        ))))
    }

    /// A ReplicaSet whose identity is its name.
    pub(super) fn replica_set(mut self, name: &str, revision: &str, mut status: Value) -> Self {
        status["replicas"] = 1.into();
        let mut metadata = meta(
            name,
            name,
            &json!({"deployment.kubernetes.io/revision": revision}),
        );
        own(&mut metadata, "deployment");
        let set = from_value(json!({
            "metadata": metadata,
            "spec": {"selector": {}},
            "status": status,
        }));
        self.0.replica_sets.insert(name.into(), set.unwrap());
        self
    }

    /// A pod whose identity is its name, of the container `main`.
    pub(super) fn pod(self, name: &str, owner: &str, status: Value) -> Self {
        self.pod_from(name, owner, json!({}), status)
    }

    pub(super) fn pod_from(
        mut self,
        name: &str,
        owner: &str,
        container: Value,
        status: Value,
    ) -> Self {
        let annotations = match owner {
            "job" => json!({"batch.kubernetes.io/job-completion-index": "3"}),
            _ => json!({}),
        };
        let mut metadata = meta(name, name, &annotations);
        own(&mut metadata, owner);
        if owner == "set" {
            metadata["labels"] = json!({"controller-revision-hash": "new"});
        }
        let mut main = json!({"name": "main", "image": "registry/web@sha256:1"});
        merge(&mut main, container);
        let pod = from_value(json!({
            "metadata": metadata,
            "spec": {"containers": [main]},
            "status": status,
        }));
        self.0.pods.insert(name.into(), pod.unwrap());
        self
    }

    pub(super) fn event(mut self, uid: &str, reason: &str, message: &str, count: i32) -> Self {
        let name = format!("event-{}", self.0.events.len());
        let second = self.0.events.len();
        let event = from_value(json!({
            "metadata": {"name": name},
            "involvedObject": {"uid": uid},
            "reason": reason,
            "message": message,
            "count": count,
            "lastTimestamp": format!("2026-01-01T00:01:{second:02}Z"),
        }));
        self.0.events.insert(name, event.unwrap());
        self
    }

    pub(super) fn state(&self) -> State {
        judge(&self.0).state
    }

    pub(super) fn is_done(&self) -> bool {
        self.state() == State::Done
    }

    /// It goes on, and nothing looks wrong.
    pub(super) fn goes_on(&self) -> bool {
        self.state() == State::Pending(Vec::new())
    }

    pub(super) fn failure(&self) -> Diagnosis {
        match self.state() {
            State::Failed(diagnosis) => *diagnosis,
            state => panic!("not failed: {state:?}"),
        }
    }

    pub(super) fn suspicion(&self) -> (Diagnosis, Duration) {
        match self.state() {
            State::Pending(mut suspicions) if suspicions.len() == 1 => {
                let suspicion = suspicions.remove(0);
                (suspicion.diagnosis, suspicion.patience)
            }
            state => panic!("not suspicious: {state:?}"),
        }
    }
}

/// What the diagnosis says, and why.
pub(super) fn words(diagnosis: &Diagnosis) -> String {
    let why = diagnosis.source().map(ToString::to_string);
    format!("{diagnosis}: {}", why.unwrap_or_default())
}

/// The status of a running or waiting pod whose container `main` is in `state` and was in `last`.
pub(super) fn container(restarts: i32, state: &Value, last: &Value) -> Value {
    json!({
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{
            "name": "main",
            "image": "i",
            "imageID": "i",
            "ready": false,
            "restartCount": restarts,
            "state": state,
            "lastState": last,
        }],
    })
}

pub(super) fn waiting(reason: &str, message: &str) -> Value {
    container(
        0,
        &json!({"waiting": {"reason": reason, "message": message}}),
        &json!({}),
    )
}

/// The status of a pod in back-off after it ended with `code`.
pub(super) fn crashed(restarts: i32, code: i32, reason: &str) -> Value {
    container(
        restarts,
        &json!({"waiting": {"reason": "CrashLoopBackOff"}}),
        &json!({"terminated": {"exitCode": code, "reason": reason}}),
    )
}

pub(super) fn ready() -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
}

fn meta(name: &str, uid: &str, annotations: &Value) -> Value {
    json!({
        "name": name,
        "uid": uid,
        "generation": 2,
        "annotations": annotations,
        "managedFields": [
            {"manager": "metaparticle", "operation": "Apply", "time": "2026-01-01T00:01:00Z"},
            {"manager": "kube-controller-manager", "subresource": "status", "time": "2026-01-01T00:09:00Z"},
        ],
    })
}

fn own(metadata: &mut Value, uid: &str) {
    metadata["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Owner", "name": uid, "uid": uid, "controller": true}]);
}

fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}
