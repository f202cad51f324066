//! What a pod asks for and a process cannot have. Pure.

use k8s_openapi::api::core::v1::{Container, Pod, Probe, Volume};

/// What is ignored of a pod, in words that complete "the embedded cluster ignores …"; said once per pod.
pub(crate) fn ignored(pod: &Pod) -> Vec<String> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let inits = spec.init_containers.iter().flatten();
    let containers: Vec<&Container> = inits.chain(&spec.containers).collect();
    let any = |has: &dyn Fn(&Container) -> bool| containers.iter().any(|it| has(it));
    let mut words = Vec::new();
    let mut say = |holds: bool, what: &str| {
        if holds {
            words.push(what.to_owned());
        }
    };
    say(
        is_set(spec.security_context.as_ref()) || any(&|it| is_set(it.security_context.as_ref())),
        "securityContext (pods run as you)",
    );
    let limits = |it: &Container| it.resources.as_ref().is_some_and(|it| it.limits.is_some());
    say(any(&limits), "resources.limits");
    let host_port = |it: &Container| {
        let mut ports = it.ports.iter().flatten();
        ports.any(|port| port.host_port.is_some())
    };
    say(any(&host_port), "hostPort");
    say(spec.host_network == Some(true), "hostNetwork");
    say(spec.host_aliases.is_some(), "hostAliases");
    say(spec.dns_config.is_some(), "dnsConfig");
    say(spec.runtime_class_name.is_some(), "runtimeClassName");
    say(any(&|it| it.volume_devices.is_some()), "volumeDevices");
    say(any(&|it| it.stdin == Some(true)), "stdin");
    say(any(&|it| it.tty == Some(true)), "tty");
    say(any(&has_post_start), "lifecycle.postStart");
    say(
        any(&|it| probes(it).any(|it| it.grpc.is_some())),
        "gRPC probes",
    );
    let https = |probe: &Probe| {
        let scheme = probe.http_get.as_ref().and_then(|it| it.scheme.as_deref());
        scheme == Some("HTTPS")
    };
    say(any(&|it| probes(it).any(https)), "HTTPS probes");
    for volume in spec.volumes.iter().flatten() {
        if !is_supported(volume) {
            words.push(format!(
                "volume \"{}\" (not emptyDir, configMap, secret, downwardAPI or projected)",
                volume.name
            ));
        }
    }
    let mounts = containers
        .iter()
        .flat_map(|it| it.volume_mounts.iter().flatten());
    let mounts: Vec<String> = mounts
        .map(|it| {
            format!(
                "{} (look at $METAPARTICLE_VOLUMES/{})",
                it.mount_path, it.name
            )
        })
        .collect();
    if !mounts.is_empty() {
        words.push(format!("mountPath {}", mounts.join(", ")));
    }
    words
}

/// The API server fills in an empty one where there is none.
fn is_set<T: Default + PartialEq>(value: Option<&T>) -> bool {
    value.is_some_and(|it| *it != T::default())
}

/// Whether the volume's files are written.
pub(crate) fn is_supported(volume: &Volume) -> bool {
    volume.empty_dir.is_some()
        || volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.downward_api.is_some()
        || volume.projected.is_some()
}

/// Whether a probe is done; one that is not counts as absent.
pub(crate) fn is_honoured(probe: &Probe) -> bool {
    let http = probe.http_get.as_ref();
    probe.grpc.is_none() && http.is_none_or(|it| it.scheme.as_deref() != Some("HTTPS"))
}

fn probes(container: &Container) -> impl Iterator<Item = &Probe> {
    let all = [
        &container.startup_probe,
        &container.liveness_probe,
        &container.readiness_probe,
    ];
    all.into_iter().flatten()
}

fn has_post_start(container: &Container) -> bool {
    let lifecycle = container.lifecycle.as_ref();
    lifecycle.is_some_and(|it| it.post_start.is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(spec: &Value) -> String {
        let pod = json!({"metadata": {}, "spec": spec});
        ignored(&serde_json::from_value(pod).unwrap()).join("; ")
    }

    #[test]
    fn nothing_is_said_of_a_pod_that_gets_all_it_asks_for() {
        let container = json!({
            "name": "c", "ports": [{"containerPort": 80}],
            "readinessProbe": {"httpGet": {"port": 80}},
            "resources": {"requests": {"cpu": "1"}},
        });
        let volumes = json!([{"name": "v", "emptyDir": {}}]);
        let spec = json!({"containers": [container], "volumes": volumes, "securityContext": {}});
        assert_eq!(of(&spec), "");
    }

    #[test]
    fn each_thing_is_named_once() {
        let container =
            |name: &str| json!({"name": name, "tty": true, "resources": {"limits": {"cpu": "1"}}});
        let spec = json!({
            "containers": [container("a"), container("b")],
            "securityContext": {"runAsNonRoot": true},
        });
        assert_eq!(
            of(&spec),
            "securityContext (pods run as you); resources.limits; tty"
        );
    }

    #[test]
    fn a_mount_says_where_its_files_are() {
        let container =
            json!({"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/etc/x"}]});
        let volumes = json!([{"name": "v", "hostPath": {"path": "/"}}]);
        let said = of(&json!({"containers": [container], "volumes": volumes}));
        assert!(said.contains("volume \"v\" (not emptyDir,"), "{said}");
        assert!(
            said.ends_with("mountPath /etc/x (look at $METAPARTICLE_VOLUMES/v)"),
            "{said}"
        );
    }

    #[test]
    fn probes_that_are_not_done_are_named() {
        let container = json!({
            "name": "c", "livenessProbe": {"grpc": {"port": 1}},
            "readinessProbe": {"httpGet": {"port": 1, "scheme": "HTTPS"}},
        });
        assert_eq!(
            of(&json!({"containers": [container]})),
            "gRPC probes; HTTPS probes"
        );
    }
}
