//! Rule F2 on a real API server: refused by the election's Lease, even before the successor has claimed the object.

use std::time::Duration;

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    coordination::v1::Lease,
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use super::{Server, merge, token};
use crate::fence::lease_policy;

#[tokio::test]
#[ignore = "needs a real API server: cargo xtask contract"]
async fn token_below_that_of_the_lease_is_refused_before_anybody_claims() {
    let server = Server::fencing().await;
    server.map("prices", Some(5)).await;
    let leases: Api<Lease> = Api::namespaced(server.client.clone(), &server.namespace);
    let lease = json!({ "metadata": { "name": "billing", "annotations": { "metaparticle.dev/token": "5" } } });
    let lease = serde_json::from_value(lease).unwrap();
    leases.create(&PostParams::default(), &lease).await.unwrap();
    let (policy, binding) = lease_policy("billing", &server.namespace);
    let name = policy.metadata.name.clone().unwrap();
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(server.client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(server.client.clone());
    policies
        .create(&PostParams::default(), &policy)
        .await
        .unwrap();
    bindings
        .create(&PostParams::default(), &binding)
        .await
        .unwrap();

    merge(&server.maps(), "prices", None, &token(5))
        .await
        .unwrap();
    let next = json!({ "metadata": { "annotations": { "metaparticle.dev/token": "6" } } });
    merge(&leases, "billing", None, &next).await.unwrap();
    // Both the policy and the Lease reach the API server's caches in their own time.
    let refused = async {
        loop {
            match merge(&server.maps(), "prices", None, &token(5)).await {
                Err(refusal) => break refusal.to_string(),
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let refusal = tokio::time::timeout(Duration::from_secs(60), refused);
    let refusal = refusal.await.expect("the policy takes effect");
    let words = "election.metaparticle.dev/billing is 6 by its Lease, the update states 5";
    assert!(refusal.contains(words), "{refusal}");
    merge(&server.maps(), "prices", None, &token(6))
        .await
        .unwrap();

    leases
        .delete("billing", &DeleteParams::default())
        .await
        .unwrap();
    policies
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    bindings
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    server.end().await;
}
