//! What a pod's containers are, how they ended, and what their probes ask. Pure.

use k8s_openapi::{
    api::core::v1::{Container, ContainerStateTerminated, ContainerStatus, Pod, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{
    cause::{Ended, Probed},
    evidence::LINES,
};

/// Init containers first, as they run first; each with what the pod's specification says of it.
pub(super) fn containers(
    pod: &Pod,
) -> impl Iterator<Item = (Option<&Container>, &ContainerStatus)> {
    let status = pod.status.as_ref();
    let spec = pod.spec.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    init.into_iter().chain(main).flatten().map(move |status| {
        let container = spec.and_then(|spec| {
            spec.init_containers
                .iter()
                .flatten()
                .chain(&spec.containers)
                .find(|container| container.name == status.name)
        });
        (container, status)
    })
}

/// How the container ended last.
pub(super) fn terminated(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    [&status.state, &status.last_state]
        .into_iter()
        .find_map(|state| state.as_ref()?.terminated.as_ref())
}

/// How a container ended, and the program's last lines if the kubelet kept them: with `FallbackToLogsOnError`, the
/// message of a program that failed is the end of its log.
pub(super) fn ended(
    container: Option<&Container>,
    state: &ContainerStateTerminated,
) -> (Ended, Vec<String>) {
    let mut ended = Ended {
        code: state.exit_code,
        signal: state.signal.filter(|signal| *signal != 0),
        reason: state.reason.clone().unwrap_or_default(),
        message: state.message.clone().filter(|message| !message.is_empty()),
    };
    let policy = container.and_then(|container| container.termination_message_policy.as_deref());
    let mut lines = Vec::new();
    if policy == Some("FallbackToLogsOnError") && !ended.never_ran() {
        let message = ended.message.take().unwrap_or_default();
        let all: Vec<&str> = message.lines().collect();
        let last = all[all.len().saturating_sub(LINES)..].iter();
        lines = last.map(|line| (*line).to_owned()).collect();
    }
    (ended, lines)
}

/// The probe that keeps a container from being ready.
pub(super) fn probe_of(container: &Container, started: bool) -> Option<Probed> {
    let startup = container.startup_probe.as_ref().filter(|_| !started);
    let (kind, probe) = match startup {
        Some(probe) => ("startup", probe),
        None => ("readiness", container.readiness_probe.as_ref()?),
    };
    let (target, port) = target(container, probe)?;
    Some(Probed { kind, target, port })
}

fn target(container: &Container, probe: &Probe) -> Option<(String, Option<u16>)> {
    let number = |port: &IntOrString| match port {
        IntOrString::Int(port) => u16::try_from(*port).ok(),
        IntOrString::String(name) => container
            .ports
            .iter()
            .flatten()
            .find(|port| port.name.as_ref() == Some(name))
            .and_then(|port| u16::try_from(port.container_port).ok()),
    };
    let text = |port: &IntOrString| match number(port) {
        Some(port) => port.to_string(),
        None => match port {
            IntOrString::Int(port) => port.to_string(),
            IntOrString::String(name) => name.clone(),
        },
    };
    if let Some(http) = &probe.http_get {
        let path = http.path.as_deref().unwrap_or("/");
        return Some((
            format!("GET :{}{path}", text(&http.port)),
            number(&http.port),
        ));
    }
    if let Some(tcp) = &probe.tcp_socket {
        return Some((format!("TCP :{}", text(&tcp.port)), number(&tcp.port)));
    }
    if let Some(grpc) = &probe.grpc {
        return Some((
            format!("gRPC :{}", grpc.port),
            u16::try_from(grpc.port).ok(),
        ));
    }
    let exec = probe.exec.as_ref()?;
    Some((exec.command.as_ref()?.join(" "), None))
}
