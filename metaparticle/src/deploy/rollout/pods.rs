//! What a pod's status and events say about it: well, suspicious, or failed. Pure.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod};
use kube::ResourceExt as _;

use super::{
    cause::{Cause, Diagnosis},
    container::{containers, ended, probe_of, terminated},
    judge::Suspicion,
    seen::{Seen, Workload, count},
};

/// What a pod looks like.
pub(super) enum Finding {
    Well,
    Suspicious(Suspicion),
    Failed(Diagnosis),
}

/// The phase of a pod that serves.
pub(super) const READY: &str = "Ready";

/// The phase of a pod whose program failed and is not started again in it; how it ended may follow.
pub(super) const FAILED: &str = "Failed";

/// An autoscaler needs a moment to say that it makes a node.
const SCHEDULER_PATIENCE: Duration = Duration::from_secs(10);
/// A Secret or ConfigMap may be made a moment later.
const CONFIG_PATIENCE: Duration = Duration::from_secs(5);
/// Volumes and sandboxes are tried again every few seconds, and often come then.
const NODE_PATIENCE: Duration = Duration::from_secs(30);
/// So long a registry may be away if events do not tell how often it was tried.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(45);
/// So many failed pulls are enough, whatever the registry answers.
const PULLS: i32 = 3;

/// Examines one pod of the new revision.
pub(super) fn examine(seen: &Seen, pod: &Pod) -> Finding {
    if is_ready(pod) || phase(pod) == "Succeeded" {
        return Finding::Well;
    }
    if let Some(message) = unschedulable(pod) {
        return if waits_for_node(seen, pod) {
            Finding::Well
        } else {
            let cause = Cause::Unschedulable { message };
            suspicious(seen, pod, None, cause, SCHEDULER_PATIENCE)
        };
    }
    for (container, status) in containers(pod) {
        match examine_container(seen, pod, container, status) {
            Finding::Well => {}
            finding => return finding,
        }
    }
    match trouble_of_node(seen, pod) {
        Some(cause) => suspicious(seen, pod, None, cause, NODE_PATIENCE),
        None => Finding::Well,
    }
}

/// Name and phase of a pod, as `kubectl get pods` has it.
pub(super) fn line(pod: &Pod) -> (String, String) {
    let waiting_or_ended = containers(pod).find_map(|(_, status)| {
        let state = status.state.as_ref()?;
        let waiting = state
            .waiting
            .as_ref()
            .and_then(|state| state.reason.clone());
        let ended = state
            .terminated
            .as_ref()
            .filter(|state| state.exit_code != 0)
            .and_then(|state| state.reason.clone());
        waiting.or(ended)
    });
    let failed = || {
        let (container, state) = containers(pod)
            .find_map(|(container, status)| Some((container, terminated(status)?)))?;
        Some(ended(container, state).0)
    };
    let phase = match waiting_or_ended {
        _ if is_ready(pod) => READY.into(),
        _ if phase(pod) == FAILED => match failed() {
            Some(ended) => format!("{FAILED}: {ended}"),
            None => FAILED.into(),
        },
        Some(reason) => reason,
        None if unschedulable(pod).is_some() => "Unschedulable".into(),
        None => phase(pod).to_owned(),
    };
    (pod.name_any(), phase)
}

/// The first pod of the new revision that runs but is not ready.
pub(super) fn not_ready(seen: &Seen) -> Option<Diagnosis> {
    seen.new_pods()
        .filter(|pod| phase(pod) == "Running" && !is_ready(pod))
        .find_map(|pod| {
            let (container, status) = containers(pod).find(|(_, status)| !status.ready)?;
            let failure = last_event(seen, pod, "Unhealthy");
            let started = status.started != Some(false);
            let probe = container.and_then(|container| probe_of(container, started));
            let cause = Cause::NotReady {
                probe,
                failure: failure.map(|text| {
                    let known = ["Readiness", "Startup", "Liveness"];
                    known
                        .iter()
                        .find_map(|kind| text.strip_prefix(&format!("{kind} probe failed: ")))
                        .unwrap_or(&text)
                        .to_owned()
                }),
                loopback_only: false,
                lines: Vec::new(),
            };
            Some(diagnosis(
                seen,
                pod,
                container.map(|c| c.name.clone()),
                cause,
            ))
        })
}

/// Why a Job gave up: the pod that failed last, if it is still there.
pub(super) fn of_failed_job(seen: &Seen, reason: String, message: String) -> Diagnosis {
    let failed = seen
        .pods
        .values()
        .filter(|pod| seen.owns(pod))
        .filter_map(|pod| {
            let (container, ended) = containers(pod).find_map(|(container, status)| {
                let ended = terminated(status)?;
                (ended.exit_code != 0).then_some((container, ended))
            })?;
            Some((pod, container, ended))
        })
        .max_by_key(|(_, _, ended)| ended.finished_at.as_ref().map(|time| time.0));
    let cause = |ended, lines| Cause::JobFailed {
        reason,
        message,
        ended,
        lines,
    };
    match failed {
        Some((pod, container, state)) => {
            let (ended, lines) = ended(container, state);
            let name = container.map(|container| container.name.clone());
            diagnosis(seen, pod, name, cause(Some(ended), lines))
        }
        None => Diagnosis {
            workload: seen.workload.subject(),
            pod: None,
            index: None,
            container: None,
            cause: cause(None, Vec::new()),
        },
    }
}

fn examine_container(
    seen: &Seen,
    pod: &Pod,
    container: Option<&Container>,
    status: &ContainerStatus,
) -> Finding {
    let name = Some(status.name.clone());
    let waiting = status
        .state
        .as_ref()
        .and_then(|state| state.waiting.as_ref());
    let reason = waiting
        .and_then(|waiting| waiting.reason.as_deref())
        .unwrap_or_default();
    let message = waiting
        .and_then(|waiting| waiting.message.clone())
        .unwrap_or_default();
    match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "RegistryUnavailable"
        | "ImageInspectError"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "SignatureValidationFailed" => {
            let pulls = pulls(seen, pod);
            let answer = best_answer(seen, pod, message);
            let hopeless = is_final(reason, &answer) || pulls >= PULLS;
            let cause = Cause::ImagePull {
                image: container
                    .and_then(|container| container.image.clone())
                    .unwrap_or_else(|| status.image.clone()),
                answer,
            };
            if hopeless {
                Finding::Failed(diagnosis(seen, pod, name, cause))
            } else {
                suspicious(seen, pod, name, cause, REGISTRY_PATIENCE)
            }
        }
        "CreateContainerConfigError"
        | "CreateContainerError"
        | "RunContainerError"
        | "PreCreateHookError"
        | "PreStartHookError"
        | "PostStartHookError" => {
            let cause = Cause::Config {
                reason: reason.into(),
                message,
            };
            suspicious(seen, pod, name, cause, CONFIG_PATIENCE)
        }
        _ => match crash(seen, pod, container, status, reason == "CrashLoopBackOff") {
            Some(cause) => Finding::Failed(diagnosis(seen, pod, name, cause)),
            None => Finding::Well,
        },
    }
}

/// A container that ended twice without having become ready. A Job judges its pods by itself.
fn crash(
    seen: &Seen,
    pod: &Pod,
    container: Option<&Container>,
    status: &ContainerStatus,
    backing_off: bool,
) -> Option<Cause> {
    let ends_by_design = matches!(seen.workload, Workload::Job(_));
    let now = status.state.as_ref()?;
    // Back-off begins after the first restart; a second end without back-off is one too. A third start without
    // readiness is as hopeless as the second.
    let twice = (status.restart_count >= 1 && (backing_off || now.terminated.is_some()))
        || (status.restart_count >= 2 && !status.ready);
    if ends_by_design || !twice {
        return None;
    }
    let state = terminated(status)?;
    if state.exit_code == 0 && state.reason.as_deref() != Some("OOMKilled") {
        let is_init = pod
            .status
            .as_ref()
            .and_then(|status| status.init_container_statuses.as_ref())
            .is_some_and(|init| init.iter().any(|init| init.name == status.name));
        return (!is_init).then_some(Cause::EndedWell { lines: Vec::new() });
    }
    let killed =
        matches!(state.exit_code, 137 | 143) && state.reason.as_deref() != Some("OOMKilled");
    let probe = killed
        .then(|| last_event(seen, pod, "Unhealthy").filter(|text| !text.starts_with("Readiness")))
        .flatten();
    let memory_limit = container
        .and_then(|container| container.resources.as_ref()?.limits.as_ref()?.get("memory"))
        .map(|limit| limit.0.clone());
    let (ended, lines) = ended(container, state);
    Some(Cause::Crash {
        ended,
        restarts: status.restart_count,
        probe,
        memory_limit,
        lines,
    })
}

/// Whether pulling again can have no other end.
fn is_final(reason: &str, answer: &str) -> bool {
    let answer = answer.to_lowercase();
    let is_final = [
        "not found",
        "manifest unknown",
        "name unknown",
        "unauthorized",
        "authentication required",
        "authorization failed",
        "denied",
        "forbidden",
        "no match for platform",
        "http response to https",
        "x509",
    ];
    matches!(reason, "InvalidImageName" | "ErrImageNeverPull")
        || is_final.iter().any(|words| answer.contains(words))
}

/// In back-off, older kubelets say only that they back off; the event still has the registry's answer.
fn best_answer(seen: &Seen, pod: &Pod, message: String) -> String {
    if message.is_empty() || message.starts_with("Back-off") && !message.contains("desc = ") {
        let events = seen.events_of(pod.metadata.uid.as_deref());
        let pull = events
            .iter()
            .rev()
            .filter(|event| event.reason.as_deref() == Some("Failed"))
            .filter_map(|event| event.message.as_deref())
            .find(|text| {
                text.contains("pull")
                    && !text.contains("Back-off")
                    && *text != "Error: ErrImagePull"
            });
        if let Some(text) = pull {
            return text.to_owned();
        }
    }
    message
}

fn pulls(seen: &Seen, pod: &Pod) -> i32 {
    seen.events_of(pod.metadata.uid.as_deref())
        .iter()
        .filter(|event| {
            event.reason.as_deref() == Some("Failed")
                && event
                    .message
                    .as_deref()
                    .is_some_and(|text| text.starts_with("Failed to pull image"))
        })
        .map(|event| count(event))
        .sum()
}

fn trouble_of_node(seen: &Seen, pod: &Pod) -> Option<Cause> {
    // Once volumes and sandbox are there, what was told of them is past.
    if phase(pod) != "Pending" || is_prepared(pod) {
        return None;
    }
    let reasons = [
        "FailedMount",
        "FailedAttachVolume",
        "FailedMapVolume",
        "FailedCreatePodSandBox",
        "NetworkNotReady",
    ];
    seen.events_of(pod.metadata.uid.as_deref())
        .into_iter()
        .rfind(|event| {
            event
                .reason
                .as_deref()
                .is_some_and(|reason| reasons.contains(&reason))
        })
        .map(|event| Cause::NotStarted {
            reason: event.reason.clone().unwrap_or_default(),
            message: event.message.clone().unwrap_or_default(),
        })
}

fn unschedulable(pod: &Pod) -> Option<String> {
    pod.status
        .as_ref()?
        .conditions
        .as_ref()?
        .iter()
        .find(|condition| {
            condition.type_ == "PodScheduled"
                && condition.status == "False"
                && condition.reason.as_deref() == Some("Unschedulable")
        })
        .map(|condition| condition.message.clone().unwrap_or_default())
}

/// Whether room is being made: by preemption, or by an autoscaler that adds a node.
fn waits_for_node(seen: &Seen, pod: &Pod) -> bool {
    let nominated = pod
        .status
        .as_ref()
        .is_some_and(|status| status.nominated_node_name.is_some());
    let autoscaled = ["TriggeredScaleUp", "Nominated"]
        .iter()
        .any(|reason| last_event(seen, pod, reason).is_some());
    nominated || autoscaled
}

fn last_event(seen: &Seen, pod: &Pod, reason: &str) -> Option<String> {
    seen.events_of(pod.metadata.uid.as_deref())
        .into_iter()
        .rfind(|event| event.reason.as_deref() == Some(reason))
        .map(|event| event.message.clone().unwrap_or_default())
}

/// Whether a pod has a node and nothing keeps it from becoming ready.
pub(super) fn is_starting(seen: &Seen, pod: &Pod) -> bool {
    let has_node = pod
        .spec
        .as_ref()
        .is_some_and(|spec| spec.node_name.is_some());
    has_node && !is_ready(pod) && matches!(examine(seen, pod), Finding::Well)
}

fn is_prepared(pod: &Pod) -> bool {
    has_condition(pod, "PodReadyToStartContainers")
}

fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("Pending")
}

fn is_ready(pod: &Pod) -> bool {
    has_condition(pod, "Ready")
}

fn has_condition(pod: &Pod, name: &str) -> bool {
    pod.status
        .as_ref()
        .and_then(|status| status.conditions.as_ref())
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == name && condition.status == "True")
}

fn suspicious(
    seen: &Seen,
    pod: &Pod,
    container: Option<String>,
    cause: Cause,
    patience: Duration,
) -> Finding {
    Finding::Suspicious(Suspicion {
        diagnosis: diagnosis(seen, pod, container, cause),
        patience,
    })
}

fn diagnosis(seen: &Seen, pod: &Pod, container: Option<String>, cause: Cause) -> Diagnosis {
    let index = "batch.kubernetes.io/job-completion-index";
    Diagnosis {
        workload: seen.workload.subject(),
        pod: Some(pod.name_any()),
        index: pod.annotations().get(index).cloned(),
        container,
        cause,
    }
}
