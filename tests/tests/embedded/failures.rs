//! Programs that fail on the embedded cluster are told as on a real one.

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use metaparticle::deploy::apply::{Error, preflight};
use metaparticle_spec::AppSpec;

use crate::{apply, harness::Namespace, up::Up};

/// What failed, why, and what to do.
async fn words(mut up: Up) -> String {
    let failed = up.until("failed").await;
    assert_eq!(up.end().await.code(), Some(1));
    failed.to_string()
}

#[tokio::test]
async fn a_crash_is_told_with_the_programs_last_lines() {
    let words = words(Up::web(&["crash"])).await;
    for part in ["Deployment/suite-web", "crashes", "line 30", "no database"] {
        assert!(words.contains(part), "`{part}` is not in {words}");
    }
    assert!(!words.contains("line 9\\n"), "{words}");
}

#[tokio::test]
async fn a_program_that_is_never_ready_is_told_its_probe() {
    let words = words(Up::web_with(&["--timeout", "3s"], &["sleep"])).await;
    for part in ["does not become ready", "8080", "refused"] {
        assert!(words.contains(part), "`{part}` is not in {words}");
    }
}

#[tokio::test]
async fn a_policy_that_is_asked_for_is_said_to_need_a_real_cluster_before_anything_is_written() {
    let namespace = Namespace::create("policy").await;
    let cluster = apply::cluster(&namespace);
    let request = apply::request(&AppSpec {
        policy: true,
        ..apply::spec(1)
    });
    let error = preflight(&cluster, &request).await.unwrap_err();
    assert!(matches!(error, Error::NoPolicies { .. }), "{error}");
    assert!(
        error.to_string().contains("`coordination(policy)`"),
        "{error}"
    );
    let error = apply::apply(&cluster, &request).await.unwrap_err();
    assert!(matches!(error, Error::NoPolicies { .. }), "{error}");

    let mut policy = ValidatingAdmissionPolicy::default();
    policy.metadata.name = Some("fencing".to_owned());
    let policies = kube::Api::all(namespace.client.clone());
    let created = policies
        .create(&kube::api::PostParams::default(), &policy)
        .await;
    let words = created.unwrap_err().to_string();
    assert!(
        words.contains("the embedded cluster has no admission policies"),
        "{words}"
    );
}
