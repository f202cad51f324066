//! [`Instances`]: which instance of a pod's container runs, or ran last. Pure.

use k8s_openapi::api::core::v1::Pod;

/// The container of a pod whose log is shown, and its instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Instances {
    /// The instance that runs or ran last; none was started yet if empty.
    pub(super) current: Option<Instance>,
    /// The instance before it, if its log is still there.
    pub(super) previous: Option<String>,
    /// Whether no further instance will come.
    pub(super) over: bool,
}

/// One run of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instance {
    /// The runtime's name for it.
    pub(super) id: String,
    /// Whether it has ended, so that its log is complete.
    pub(super) ended: bool,
}

/// Name of the container whose log is shown: the first, which is the program's.
pub(super) fn container(pod: &Pod) -> Option<&str> {
    let spec = pod.spec.as_ref()?;
    spec.containers.first().map(|container| &*container.name)
}

/// The instances of the program's container.
pub(super) fn instances(pod: &Pod) -> Instances {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    let over = matches!(phase, Some("Succeeded" | "Failed"));
    let container = status
        .and_then(|status| status.container_statuses.as_ref())
        .into_iter()
        .flatten()
        .find(|status| Some(&*status.name) == container(pod));
    let Some(container) = container else {
        return Instances {
            over,
            ..Instances::default()
        };
    };
    let runs = container
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some());
    let current = container
        .container_id
        .clone()
        .filter(|id| !id.is_empty())
        .map(|id| Instance { id, ended: !runs });
    let previous = container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref()?.container_id.clone())
        .filter(|id| current.as_ref().is_none_or(|current| current.id != *id));
    Instances {
        current,
        previous,
        over,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(phase: &str, status: serde_json::Value) -> Instances {
        let mut status = status;
        status["name"] = "web".into();
        for field in ["image", "imageID"] {
            status[field] = "i".into();
        }
        status["ready"] = false.into();
        status["restartCount"] = 0.into();
        let pod = serde_json::from_value(json!({
            "spec": {"containers": [{"name": "web"}, {"name": "proxy"}]},
            "status": {"phase": phase, "containerStatuses": [status]},
        }));
        instances(&pod.unwrap())
    }

    fn instance(id: &str, ended: bool) -> Instance {
        Instance {
            id: id.into(),
            ended,
        }
    }

    #[test]
    fn a_container_that_was_never_started_has_no_instance() {
        let state = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
        assert_eq!(of("Pending", state), Instances::default());
    }

    #[test]
    fn a_running_container_has_its_previous_instance() {
        let state = json!({
            "containerID": "b",
            "state": {"running": {}},
            "lastState": {"terminated": {"exitCode": 1, "containerID": "a"}},
        });
        let found = of("Running", state);
        assert_eq!(found.current, Some(instance("b", false)));
        assert_eq!(found.previous.as_deref(), Some("a"));
    }

    #[test]
    fn a_container_in_back_off_has_ended_and_is_not_its_own_predecessor() {
        let state = json!({
            "containerID": "a",
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "containerID": "a"}},
        });
        let found = of("Running", state);
        assert_eq!(found.current, Some(instance("a", true)));
        assert_eq!(found.previous, None);
        assert!(!found.over);
    }

    #[test]
    fn nothing_comes_after_a_pod_that_has_succeeded() {
        let state = json!({
            "containerID": "a",
            "state": {"terminated": {"exitCode": 0, "containerID": "a"}},
        });
        let found = of("Succeeded", state);
        assert_eq!(found.current, Some(instance("a", true)));
        assert!(found.over);
    }
}
