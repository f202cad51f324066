//! The status of a pod, as the kubelet writes it. Pure.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    decide::{self, RestartPolicy},
    record::{Ended, Record, Role, State, Waiting},
};

/// What is known of a pod besides its containers.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) policy: RestartPolicy,
    pub(crate) generation: Option<i64>,
    pub(crate) host_ip: IpAddr,
    /// Known once the pod may start containers.
    pub(crate) pod_ip: Option<IpAddr>,
    pub(crate) start_time: Timestamp,
    /// Why the pod failed as a whole: reason and message.
    pub(crate) failure: Option<(&'static str, String)>,
    /// Custom conditions without which it is not ready.
    pub(crate) gates: Vec<String>,
    /// Nothing runs, and nothing will.
    pub(crate) done: bool,
}

/// Time as Kubernetes writes it in most places: whole seconds.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Writes the status of the pod over the one that it has; conditions of others stay.
pub(crate) fn write(status: &mut Value, records: &[Record], facts: &Facts, now: Timestamp) {
    if !status.is_object() {
        *status = json!({});
    }
    let phase = phase(records, facts);
    status["phase"] = phase.into();
    status["startTime"] = time(facts.start_time).into();
    status["hostIP"] = facts.host_ip.to_string().into();
    status["hostIPs"] = json!([{"ip": facts.host_ip}]);
    if let Some(ip) = facts.pod_ip {
        status["podIP"] = ip.to_string().into();
        status["podIPs"] = json!([{"ip": ip}]);
    }
    if let Some((reason, message)) = &facts.failure {
        status["reason"] = (*reason).into();
        status["message"] = message.as_str().into();
    }
    if let Some(generation) = facts.generation {
        status["observedGeneration"] = generation.into();
    }
    let of = |init: bool| -> Vec<&Record> {
        let is_init = |it: &&Record| (it.role != Role::Main) == init;
        records.iter().filter(is_init).collect()
    };
    let mut mains = of(false);
    mains.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    let initialized = decide::is_initialized(records);
    let has_inits = records.iter().any(|it| it.role != Role::Main);
    let reason = if has_inits && !initialized {
        "PodInitializing"
    } else {
        "ContainerCreating"
    };
    let list =
        |records: &[&Record]| -> Value { records.iter().map(|it| container(it, reason)).collect() };
    if has_inits {
        status["initContainerStatuses"] = list(&of(true));
    }
    status["containerStatuses"] = list(&mains);
    set_conditions(status, records, facts, phase, now);
}

/// `Pending`, `Running`, `Succeeded` or `Failed`.
pub(crate) fn phase(records: &[Record], facts: &Facts) -> &'static str {
    let mains = || records.iter().filter(|it| it.role == Role::Main);
    let running = |role| {
        let mut all = records.iter();
        all.any(|it| it.role == role && it.running().is_some())
    };
    if facts.failure.is_some() || decide::has_failed_init(records, facts.policy) {
        return "Failed";
    }
    if mains().any(|it| it.running().is_none() && it.latest_end().is_none()) {
        return "Pending";
    }
    if running(Role::Main) || running(Role::Sidecar) || !is_final(records, facts) {
        return "Running";
    }
    if mains().all(Record::succeeded) {
        "Succeeded"
    } else {
        "Failed"
    }
}

/// Whether no container will run again. A pod that is being deleted is done, whatever its policy.
fn is_final(records: &[Record], facts: &Facts) -> bool {
    facts.done || decide::is_over(records, facts.policy)
}

fn container(record: &Record, default_reason: &str) -> Value {
    let running = record.running();
    let (state, id) = match &record.state {
        State::Waiting(Waiting {
            reason, message, ..
        }) => {
            let mut waiting = json!({"reason": reason.unwrap_or(default_reason)});
            if let Some(message) = message {
                waiting["message"] = message.as_str().into();
            }
            let id = record.last.as_ref().map(|it| &it.id);
            (json!({"waiting": waiting}), id)
        }
        State::Running(running) => {
            let running_state = json!({"running": {"startedAt": time(running.since)}});
            (running_state, Some(&running.id))
        }
        State::Ended(ended) => (terminated(ended), Some(&ended.id)),
    };
    let image = record.spec.image.as_deref().unwrap_or_default();
    let ready = match record.role {
        Role::Init => matches!(&record.state, State::Ended(ended) if ended.exit_code == 0),
        Role::Sidecar | Role::Main => running.is_some_and(|it| it.ready && it.started),
    };
    let mut status = json!({
        "name": record.spec.name,
        "image": image,
        "imageID": if id.is_some() { format!("process://{image}") } else { String::new() },
        "state": state,
        "lastState": record.last.as_ref().map_or(json!({}), terminated),
        "ready": ready,
        "started": running.is_some_and(|it| it.started),
        "restartCount": record.restarts,
    });
    if let Some(id) = id {
        status["containerID"] = id.as_str().into();
        status["resources"] = json!({});
    }
    status
}

fn terminated(ended: &Ended) -> Value {
    let mut terminated = json!({
        "exitCode": ended.exit_code,
        "reason": ended.reason,
        "startedAt": time(ended.since),
        "finishedAt": time(ended.finished),
        "containerID": ended.id,
    });
    if let Some(message) = &ended.message {
        terminated["message"] = message.as_str().into();
    }
    json!({"terminated": terminated})
}

/// A condition: type, status, reason and message.
type Condition = (&'static str, bool, Option<(&'static str, String)>);

fn conditions(records: &[Record], facts: &Facts, phase: &str, status: &Value) -> [Condition; 4] {
    let names = |unfit: &dyn Fn(&Record) -> bool| -> String {
        let names = records.iter().filter(|it| unfit(it));
        let names: Vec<&str> = names.map(|it| it.spec.name.as_str()).collect();
        names.join(" ")
    };
    let incomplete = names(&|it| match &it.state {
        State::Ended(ended) if it.role == Role::Init => ended.exit_code != 0,
        State::Running(running) if it.role == Role::Sidecar => !running.started,
        _ => it.role != Role::Main,
    });
    let initialized = match phase {
        "Succeeded" => (true, Some(("PodCompleted", String::new()))),
        _ if decide::is_initialized(records) => (true, None),
        _ => {
            let message = format!("containers with incomplete status: [{incomplete}]");
            (false, Some(("ContainersNotInitialized", message)))
        }
    };
    let unready = names(&|it| {
        it.role != Role::Init && !it.running().is_some_and(|it| it.ready && it.started)
    });
    let containers = match phase {
        "Succeeded" => (false, Some(("PodCompleted", String::new()))),
        "Failed" => (false, Some(("PodFailed", String::new()))),
        _ if unready.is_empty() => (true, None),
        _ => {
            let message = format!("containers with unready status: [{unready}]");
            (false, Some(("ContainersNotReady", message)))
        }
    };
    let ready = match missing_gate(facts, status) {
        Some(message) if containers.0 => (false, Some(("ReadinessGatesNotReady", message))),
        _ => containers.clone(),
    };
    let sandbox = facts.pod_ip.is_some() && !facts.done;
    [
        ("PodReadyToStartContainers", sandbox, None),
        ("Initialized", initialized.0, initialized.1),
        ("Ready", ready.0, ready.1),
        ("ContainersReady", containers.0, containers.1),
    ]
}

fn missing_gate(facts: &Facts, status: &Value) -> Option<String> {
    let given = status["conditions"].as_array();
    facts.gates.iter().find_map(|gate| {
        let condition = given?.iter().find(|it| it["type"] == gate.as_str());
        match condition {
            None => Some(format!(
                "corresponding condition of pod readiness gate \"{gate}\" does not exist."
            )),
            Some(condition) if condition["status"] != "True" => Some(format!(
                "the status of pod readiness gate \"{gate}\" is not \"True\", but {}",
                condition["status"].as_str().unwrap_or_default()
            )),
            Some(_) => None,
        }
    })
}

/// Sets the kubelet's conditions. The time of a transition stays for as long as the status does.
fn set_conditions(
    status: &mut Value,
    records: &[Record],
    facts: &Facts,
    phase: &str,
    now: Timestamp,
) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let wanted = conditions(records, facts, phase, status);
    let before = status["conditions"].as_array_mut().expect("set above");
    let mut all = Vec::new();
    for (kind, holds, why) in wanted {
        let holds = if holds { "True" } else { "False" };
        let old = before.iter().position(|it| it["type"] == kind);
        let old = old.map(|index| before.remove(index));
        let since = old
            .filter(|old| old["status"] == holds)
            .map_or_else(|| time(now).into(), |old| old["lastTransitionTime"].clone());
        let mut condition = json!({
            "type": kind, "status": holds, "lastProbeTime": null, "lastTransitionTime": since,
        });
        if let Some((reason, message)) = why {
            condition["reason"] = reason.into();
            if !message.is_empty() {
                condition["message"] = message.into();
            }
        }
        if let Some(generation) = facts.generation {
            condition["observedGeneration"] = generation.into();
        }
        all.push(condition);
    }
    all.append(before);
    status["conditions"] = all.into();
}

#[cfg(test)]
mod tests;
