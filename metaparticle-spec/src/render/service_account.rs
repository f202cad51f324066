//! ServiceAccount: the identity of the pods. Its token is mounted only where the program calls Kubernetes.

use serde_json::{Value, json};

use super::object::object;
use crate::AppSpec;

pub(super) fn service_account(spec: &AppSpec) -> Value {
    // The pod says whether it wants the token; no other pod gets one by naming this account.
    let body = json!({ "automountServiceAccountToken": false });
    object(spec, "v1", "ServiceAccount", spec.name.as_str(), body)
}
