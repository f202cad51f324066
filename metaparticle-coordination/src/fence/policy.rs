//! The admission policies as objects to apply.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use metaparticle_protocol::{
    fence::{Kind, annotation, policy},
    lease::Name,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The rule F1 for the API server: an update of an object that bears tokens states each of them, and none lower.
///
/// One policy and one binding serve every election, every lock and every namespace of a cluster; objects without a token
/// are not looked at. Applying them needs rights over the whole cluster, and is done once: by an administrator, or by the
/// key `coordination(policy)` of the attributes. Takes effect within seconds; [`Claimed::patch`](super::Claimed::patch)
/// asks for it before it relies on it. Needs Kubernetes 1.30; the embedded cluster has no admission policies, and says
/// so.
///
/// # Guarantees
/// The token of an object never falls, whoever writes: the rule is part of the server's own compare-and-swap.
///
/// # Assumptions
/// Updates that carry metadata; see [what is not fenced](super#what-is-not-fenced).
///
/// # Examples
/// ```
/// let (policy, binding) = metaparticle_coordination::fence::admission_policy();
/// assert_eq!(policy.metadata.name, binding.metadata.name);
/// println!("{}", serde_json::to_string(&policy)?);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[must_use]
pub fn admission_policy() -> (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding) {
    (read(policy::POLICY), read(policy::BINDING))
}

/// The rule F2: an update must not state a lower token than the Lease of its election does.
///
/// A deposed leader is then refused even before its successor has claimed the object. **A convenience, not a proof**: the
/// API server reads the Lease from a cache, which lags (3 of 200 hand-overs let one stale write through, up to 26 ms
/// late). It looks at objects in `namespace`, which is also that of the Lease, and needs the account of whoever applies
/// it to be allowed to read the Lease. Without the Lease, or without a token on it, everything passes.
///
/// For elections only: a lock has a Lease for each who waits.
#[must_use]
pub fn lease_policy(
    election: &str,
    namespace: &str,
) -> (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding) {
    let key = annotation(Kind::Election, &Name::from(election));
    let name = format!("metaparticle-election-{namespace}-{election}");
    let labels = json!({ "app.kubernetes.io/managed-by": "metaparticle" });
    let number = "matches('^[0-9]{1,18}$')";
    let stated = format!("object.metadata.annotations['{key}']");
    let policy = json!({
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "failurePolicy": "Fail",
            "paramKind": { "apiVersion": "coordination.k8s.io/v1", "kind": "Lease" },
            "matchConstraints": { "resourceRules": [{
                "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["UPDATE"],
            }] },
            "matchConditions": [{
                "name": "states-a-token",
                "expression": format!(
                    "has(object.metadata) && has(object.metadata.annotations) && '{key}' in object.metadata.annotations"
                ),
            }],
            "variables": [{
                "name": "lease",
                "expression": "params != null && has(params.metadata.annotations) && \
                               'metaparticle.dev/token' in params.metadata.annotations \
                               ? params.metadata.annotations['metaparticle.dev/token'] : '0'",
            }],
            "validations": [{
                "expression": format!(
                    "{stated}.{number} && (!variables.lease.{number} || int({stated}) >= int(variables.lease))"
                ),
                "messageExpression": format!(
                    "'{}{key} is ' + variables.lease + ' by its Lease, the update states ' + {stated}",
                    policy::REFUSAL
                ),
            }],
        },
    });
    let binding = json!({
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "paramRef": { "name": election, "namespace": namespace, "parameterNotFoundAction": "Allow" },
            "matchResources": {
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
                "resourceRules": [{
                    "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["UPDATE"],
                    "scope": "Namespaced",
                }],
            },
        },
    });
    (object(policy), object(binding))
}

fn read<T: DeserializeOwned>(text: &str) -> T {
    object(serde_json::from_str(text).expect("the texts of the protocol are JSON"))
}

fn object<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("it is a policy: a test sends it to a real API server")
}
