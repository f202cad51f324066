//! `platform`: for which processor the image is built, by what the cluster's nodes are.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Node;
use kube::{Api, ResourceExt as _, api::ListParams};
use miette::Diagnostic;
use thiserror::Error;

use super::{
    build::Arch,
    cluster::{self, Cluster},
    report::{Event, Report},
};

/// No image can be built for the nodes.
#[derive(Debug, Error, Diagnostic)]
#[error("the cluster's nodes are {}; images are built for amd64 and arm64", .found.join(", "))]
#[diagnostic(help("use `render` and build the image yourself from the generated Dockerfile"))]
#[non_exhaustive]
pub struct Unsupported {
    /// What the nodes are.
    pub found: Vec<String>,
}

/// For which processor the image is built, and so on which nodes pods are kept; whether that is worth a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    /// The processor.
    pub arch: Arch,
    /// Whether there are nodes of another.
    pub mixed: bool,
}

/// Asks the cluster what its nodes are; without the permission to list them, takes a guess and says so.
///
/// # Errors
/// [`Unsupported`] inside if no node is of a known processor; else that the API server cannot be asked.
///
/// # Cancel safety
/// Cancel safe: it only reads.
pub(super) async fn platform(
    cluster: &Cluster,
    is_local: bool,
    report: &Report,
) -> Result<Result<Platform, Unsupported>, cluster::Error> {
    let api: Api<Node> = Api::all(cluster.client.clone());
    let params = ListParams::default();
    let nodes = match cluster
        .call("list nodes", async || api.list(&params).await)
        .await
    {
        Ok(nodes) => nodes.items,
        Err(error) if error.is_forbidden() => {
            let arch = guess(is_local);
            report.event(Event::note(format!(
                "nodes may not be listed with these credentials; the image is built for {arch}"
            )));
            return Ok(Ok(Platform { arch, mixed: false }));
        }
        Err(error) => return Err(error),
    };
    let platform = choose(&architectures(&nodes), guess(is_local));
    if let Ok(Platform { arch, mixed: true }) = platform {
        report.event(Event::note(format!(
            "the cluster has nodes of several processors; the image is for {arch}, and pods are kept on such nodes"
        )));
    }
    Ok(platform)
}

/// What the nodes are that take ordinary pods; of all nodes if none does at the moment.
fn architectures(nodes: &[Node]) -> BTreeSet<String> {
    let arch = |node: &Node| node.labels().get("kubernetes.io/arch").cloned();
    let takes_pods = |node: &&Node| {
        node.spec.as_ref().is_none_or(|spec| {
            let taints = spec.taints.iter().flatten();
            !spec.unschedulable.unwrap_or(false)
                && !taints
                    .clone()
                    .any(|taint| taint.effect == "NoSchedule" || taint.effect == "NoExecute")
        })
    };
    let found: BTreeSet<String> = nodes.iter().filter(takes_pods).filter_map(arch).collect();
    if found.is_empty() {
        nodes.iter().filter_map(arch).collect()
    } else {
        found
    }
}

fn choose(found: &BTreeSet<String>, preferred: Arch) -> Result<Platform, Unsupported> {
    let known: Vec<Arch> = found
        .iter()
        .filter_map(|name| Arch::from_oci(name))
        .collect();
    let arch = match known[..] {
        // A cluster that starts its nodes on demand.
        [] if found.is_empty() => preferred,
        [] => {
            return Err(Unsupported {
                found: found.iter().cloned().collect(),
            });
        }
        [only] => only,
        _ => preferred,
    };
    Ok(Platform {
        arch,
        mixed: found.len() > 1,
    })
}

/// A cluster on this machine is like this machine; others are amd64 most of the time.
fn guess(is_local: bool) -> Arch {
    if is_local && std::env::consts::ARCH == "aarch64" {
        Arch::Arm64
    } else {
        Arch::Amd64
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(arch: &str, spec: &serde_json::Value) -> Node {
        serde_json::from_value(json!({
            "metadata": {"labels": {"kubernetes.io/arch": arch}},
            "spec": spec,
        }))
        .unwrap()
    }

    fn chosen(nodes: &[Node]) -> Result<Platform, Unsupported> {
        choose(&architectures(nodes), Arch::Amd64)
    }

    #[test]
    fn nodes_of_one_kind_decide() {
        let platform = chosen(&[node("arm64", &json!({})), node("arm64", &json!({}))]).unwrap();
        assert_eq!(
            platform,
            Platform {
                arch: Arch::Arm64,
                mixed: false
            }
        );
    }

    #[test]
    fn nodes_of_several_kinds_keep_pods_on_the_preferred_one() {
        let platform = chosen(&[node("arm64", &json!({})), node("amd64", &json!({}))]).unwrap();
        assert_eq!(
            platform,
            Platform {
                arch: Arch::Amd64,
                mixed: true
            }
        );
    }

    #[test]
    fn nodes_that_take_no_pods_do_not_count() {
        let tainted = json!({"taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]});
        let cordoned = json!({"unschedulable": true});
        let nodes = [
            node("amd64", &tainted),
            node("s390x", &cordoned),
            node("arm64", &json!({})),
        ];
        assert_eq!(
            chosen(&nodes).unwrap(),
            Platform {
                arch: Arch::Arm64,
                mixed: false
            }
        );
        assert_eq!(
            chosen(&[node("arm64", &tainted)]).unwrap().arch,
            Arch::Arm64
        );
    }

    #[test]
    fn unknown_processors_are_named() {
        let error = chosen(&[node("riscv64", &json!({}))]).unwrap_err();
        assert!(error.to_string().contains("riscv64"), "{error}");
    }
}
