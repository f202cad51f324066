//! The fencing policy of `coordination(policy)`: written once for the whole cluster, and taken away by no application.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::Api;
use metaparticle::deploy::{down::down, report::Report};
use metaparticle_spec::AppSpec;

use crate::{apply, harness::Namespace};

const NAME: &str = "metaparticle-fencing-v1";

#[tokio::test]
async fn the_policy_is_written_once_and_survives_the_application() {
    let namespace = Namespace::create("policy").await;
    let cluster = apply::cluster(&namespace);
    let request = apply::request(&AppSpec {
        policy: true,
        ..apply::spec(1)
    });
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(namespace.client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(namespace.client.clone());
    let versions = async || {
        let policy = policies.get(NAME).await.expect("the policy is there");
        let binding = bindings.get(NAME).await.expect("the binding is there");
        [
            policy.metadata.resource_version,
            binding.metadata.resource_version,
        ]
    };

    let outcome = apply::apply(&cluster, &request).await.expect("applied");
    assert!(
        outcome
            .applied
            .iter()
            .all(|it| !it.api.kind.starts_with("Validating"))
    );
    let before = versions().await;
    apply::apply(&cluster, &request)
        .await
        .expect("applied again");
    assert_eq!(versions().await, before);

    down(&cluster, "web", &Report::capture())
        .await
        .expect("down");
    assert_eq!(versions().await, before);
    namespace.delete().await;
}
