//! The manifests beside the types of Kubernetes: every field is known there, and means what it says.

use k8s_openapi::{
    Resource,
    api::{
        admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
        apps::v1::{Deployment, StatefulSet},
        batch::v1::Job,
        core::v1::{Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
        rbac::v1::{Role, RoleBinding},
    },
};
use metaparticle_spec::render::manifests;
use metaparticle_tests::apps;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What the typed client makes of an object; a field that it does not know is lost on the way.
fn through<T: Resource + Serialize + DeserializeOwned>(object: &Value) -> Value {
    assert_eq!(object["apiVersion"], T::API_VERSION);
    let typed: T = serde_json::from_value(object.clone()).expect("the types take it");
    serde_json::to_value(typed).expect("a typed object is JSON")
}

#[test]
fn every_field_is_one_of_kubernetes() {
    let mut kinds = Vec::new();
    for (spec, _) in apps::all() {
        for object in manifests(&spec, "image:1") {
            let kind = object["kind"].as_str().unwrap().to_owned();
            let typed = match kind.as_str() {
                ServiceAccount::KIND => through::<ServiceAccount>(&object),
                Role::KIND => through::<Role>(&object),
                RoleBinding::KIND => through::<RoleBinding>(&object),
                ValidatingAdmissionPolicy::KIND => through::<ValidatingAdmissionPolicy>(&object),
                ValidatingAdmissionPolicyBinding::KIND => {
                    through::<ValidatingAdmissionPolicyBinding>(&object)
                }
                Service::KIND => through::<Service>(&object),
                NetworkPolicy::KIND => through::<NetworkPolicy>(&object),
                PodDisruptionBudget::KIND => through::<PodDisruptionBudget>(&object),
                Deployment::KIND => through::<Deployment>(&object),
                StatefulSet::KIND => through::<StatefulSet>(&object),
                Job::KIND => through::<Job>(&object),
                other => panic!("no type for {other}"),
            };
            assert_eq!(typed, object);
            kinds.push(kind);
        }
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), 11, "the samples make every kind: {kinds:?}");
}

#[test]
fn objects_come_before_those_that_name_them() {
    let kinds = |spec| -> Vec<String> {
        let objects = manifests(&spec, "image:1");
        objects
            .iter()
            .map(|object| object["kind"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(kinds(apps::hello()), ["ServiceAccount", "Job"]);
    assert_eq!(
        kinds(apps::everything()),
        [
            "ServiceAccount",
            "Role",
            "RoleBinding",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "Service",
            "PodDisruptionBudget",
            "Deployment"
        ]
    );
    assert_eq!(
        kinds(apps::users()),
        [
            "ServiceAccount",
            "Role",
            "RoleBinding",
            "Service",
            "Service",
            "NetworkPolicy",
            "PodDisruptionBudget",
            "StatefulSet"
        ]
    );
}

#[test]
fn the_samples_break_no_rule() {
    for (spec, _) in apps::all() {
        assert_eq!(spec.check(), [], "{}", spec.name);
    }
}
