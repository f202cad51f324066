//! `cargo run --bin users`: no visit is lost or counted twice as users move from three pods to five and back.

use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Service};

use crate::harness::{Namespace, run, workspace};

// The same visitors as on the embedded cluster.
#[path = "../../examples/tests/visits/mod.rs"]
mod visits;

#[tokio::test]
async fn users_move_from_three_pods_to_five_and_back() {
    let namespace = Namespace::create("users").await;
    let up = [
        "run",
        "--quiet",
        "--bin",
        "users",
        "--",
        "metaparticle",
        "up",
        "--detach",
    ];
    run(namespace.cargo(workspace(), &up), 0).await;
    // Past the port-forward: by the way that other pods take.
    let service = namespace.api::<Service>().get("users").await;
    let spec = service.expect("a Service").spec.expect("its spec");
    let address = format!("{}:8080", spec.cluster_ip.expect("an address"));
    visits::move_users(&address, &namespace.api::<StatefulSet>()).await;
    namespace.delete().await;
}
