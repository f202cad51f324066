//! Short paths: `leases/a` is the lease `a` of the behaviour's own namespace.

/// Which group and version serves a plural.
fn group_version(plural: &str) -> &'static str {
    match plural {
        "deployments" | "replicasets" | "statefulsets" | "controllerrevisions" => "apis/apps/v1",
        "jobs" | "cronjobs" => "apis/batch/v1",
        "leases" => "apis/coordination.k8s.io/v1",
        "endpointslices" => "apis/discovery.k8s.io/v1",
        "roles" | "rolebindings" => "apis/rbac.authorization.k8s.io/v1",
        "poddisruptionbudgets" => "apis/policy/v1",
        "horizontalpodautoscalers" => "apis/autoscaling/v2",
        "ingresses" | "networkpolicies" => "apis/networking.k8s.io/v1",
        _ => "api/v1",
    }
}

/// A whole path; one that begins with `/` is whole already.
pub(crate) fn full(namespace: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let plural = path.split(['/', '?']).next().unwrap_or_default();
    let group_version = group_version(plural);
    format!("/{group_version}/namespaces/{namespace}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_path_is_completed_and_a_whole_one_kept() {
        assert_eq!(
            full("n", "leases?limit=1"),
            "/apis/coordination.k8s.io/v1/namespaces/n/leases?limit=1"
        );
        assert_eq!(full("n", "pods/a/log"), "/api/v1/namespaces/n/pods/a/log");
        assert_eq!(full("n", "/version"), "/version");
    }
}
