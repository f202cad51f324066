//! Pods: ready containers, what keeps the others, restarts.

use jiff::Timestamp;
use serde_json::Value;

use super::{Row, age, is_true, items, number, or, text};

/// Name, ready, status, restarts, age; address, node, nominated node, readiness gates.
pub(super) fn cells(row: &Row<'_>) -> Vec<Value> {
    let state = State::of(row.object);
    let mut restarts = state.restarts.to_string();
    if let (1.., Some(last)) = (state.restarts, state.last_restart) {
        restarts = format!("{restarts} ({} ago)", row.since(&last.to_string().into()));
    }
    let (spec, status) = (row.spec(), row.status());
    let address = status["podIPs"].get(0).map_or(&Value::Null, |it| &it["ip"]);
    vec![
        row.name(),
        format!("{}/{}", state.ready, state.containers).into(),
        state.reason.into(),
        restarts.into(),
        row.age(),
        or(address, "<none>").into(),
        or(&spec["nodeName"], "<none>").into(),
        or(&status["nominatedNodeName"], "<none>").into(),
        gates(row.object).into(),
    ]
}

/// What is said about the containers of a pod.
struct State {
    reason: String,
    ready: usize,
    containers: usize,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

impl State {
    fn of(pod: &Value) -> Self {
        let status = &pod["status"];
        let phase = text(&status["phase"]);
        let gated = |it: &&Value| it["type"] == "PodScheduled" && it["reason"] == "SchedulingGated";
        let reason = match items(&status["conditions"]).iter().find(gated) {
            Some(_) => "SchedulingGated",
            None => or(&status["reason"], phase),
        };
        let sidecars = items(&pod["spec"]["initContainers"])
            .iter()
            .filter(|it| is_sidecar(it))
            .count();
        let mut state = Self {
            reason: reason.to_owned(),
            ready: 0,
            containers: items(&pod["spec"]["containers"]).len() + sidecars,
            restarts: 0,
            last_restart: None,
        };
        let initializing = state.initialize(pod);
        if !initializing || is_true(pod, "Initialized") {
            state.forget_init(pod);
            state.run(pod);
        }
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            if status["reason"] == "NodeLost" {
                "Unknown".clone_into(&mut state.reason);
            } else if !["Failed", "Succeeded"].contains(&phase) {
                "Terminating".clone_into(&mut state.reason);
            }
        }
        state
    }

    /// Counts the init containers, and says which one is not done. False if all are.
    fn initialize(&mut self, pod: &Value) -> bool {
        let specs = items(&pod["spec"]["initContainers"]);
        for (index, container) in items(&pod["status"]["initContainerStatuses"])
            .iter()
            .enumerate()
        {
            self.count(container);
            let ended = &container["state"]["terminated"];
            let waiting = text(&container["state"]["waiting"]["reason"]);
            if !ended.is_null() && number(&ended["exitCode"]) == 0 {
                continue;
            }
            if is_named_sidecar(specs, container) && container["started"] == true {
                self.ready += usize::from(container["ready"] == true);
                continue;
            }
            self.reason = if !ended.is_null() {
                format!("Init:{}", end(ended))
            } else if !waiting.is_empty() && waiting != "PodInitializing" {
                format!("Init:{waiting}")
            } else {
                format!("Init:{index}/{}", specs.len())
            };
            return true;
        }
        false
    }

    /// Init containers that are done do not count, those that go on do.
    fn forget_init(&mut self, pod: &Value) {
        self.restarts = 0;
        self.last_restart = None;
        let specs = items(&pod["spec"]["initContainers"]);
        for container in items(&pod["status"]["initContainerStatuses"]) {
            if is_named_sidecar(specs, container) {
                self.count(container);
            }
        }
    }

    /// What the containers do, the first one last.
    fn run(&mut self, pod: &Value) {
        let mut running = false;
        let mut error = None;
        for container in items(&pod["status"]["containerStatuses"]).iter().rev() {
            self.count(container);
            let state = &container["state"];
            let waiting = text(&state["waiting"]["reason"]);
            let ended = &state["terminated"];
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
            } else if !ended.is_null() {
                self.reason = end(ended);
                if number(&ended["exitCode"]) != 0 {
                    error = Some(self.reason.clone());
                }
            } else if container["ready"] == true && !state["running"].is_null() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason != "Completed" {
            return;
        }
        self.reason = match error {
            _ if running && is_true(pod, "Ready") => "Running".to_owned(),
            Some(error) => error,
            None if running => "NotReady".to_owned(),
            None => return,
        };
    }

    fn count(&mut self, container: &Value) {
        self.restarts += number(&container["restartCount"]);
        let ended = age::parse(&container["lastState"]["terminated"]["finishedAt"]);
        self.last_restart = self.last_restart.max(ended);
    }
}

/// Why a container ended.
fn end(terminated: &Value) -> String {
    match (text(&terminated["reason"]), number(&terminated["signal"])) {
        ("", 0) => format!("ExitCode:{}", number(&terminated["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn is_sidecar(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

fn is_named_sidecar(specs: &[Value], status: &Value) -> bool {
    specs
        .iter()
        .any(|it| it["name"] == status["name"] && is_sidecar(it))
}

fn gates(pod: &Value) -> String {
    let gates = items(&pod["spec"]["readinessGates"]);
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let open = gates
        .iter()
        .filter(|it| is_true(pod, text(&it["conditionType"])))
        .count();
    format!("{open}/{}", gates.len())
}
