//! What a write depends on besides its own object: the namespace, the number of pods.

use serde_json::{Value, json};

use super::{
    failure::Failure,
    resource::{self, Resource},
    store::State,
    write::Write,
};

/// Most pods of a namespace: each is a process. A real cluster would have a `ResourceQuota`.
const MOST_PODS: usize = 1000;

/// Whether `write` may create an object.
pub(super) fn create(state: &State, write: &Write<'_>, object: &Value) -> Result<(), Failure> {
    let resource = write.resource;
    if !resource.namespaced {
        return Ok(());
    }
    let name = object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let namespace = state.get(&resource::NAMESPACE, "", write.namespace);
    let namespace =
        namespace.ok_or_else(|| Failure::not_found(&resource::NAMESPACE, write.namespace))?;
    if !namespace.value()["metadata"]["deletionTimestamp"].is_null() {
        return Err(terminating(resource, &name, write.namespace));
    }
    if is(resource, &resource::POD) {
        pod(state, write, &name, object)?;
    }
    Ok(())
}

fn is(resource: &'static Resource, other: &'static Resource) -> bool {
    std::ptr::eq(resource, other)
}

fn terminating(resource: &'static Resource, name: &str, namespace: &str) -> Failure {
    let why = format!(
        "unable to create new content in namespace {namespace} because it is being terminated"
    );
    let mut failure = Failure::forbidden(resource, name, &why);
    if let Some(details) = &mut failure.details {
        details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
    }
    failure
}

fn pod(state: &State, write: &Write<'_>, name: &str, object: &Value) -> Result<(), Failure> {
    let used = state.count(&resource::POD, write.namespace);
    if used >= MOST_PODS {
        let why = format!(
            "exceeded quota: embedded-cluster, requested: pods=1, used: pods={used}, limited: pods={MOST_PODS}"
        );
        return Err(Failure::forbidden(&resource::POD, name, &why));
    }
    let account = object["spec"]["serviceAccountName"]
        .as_str()
        .unwrap_or_default();
    if state
        .get(&resource::SERVICE_ACCOUNT, write.namespace, account)
        .is_none()
    {
        let namespace = write.namespace;
        let why = format!(
            "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
        );
        return Err(Failure::forbidden(&resource::POD, name, &why));
    }
    priority(&object["spec"]).map_err(|why| Failure::forbidden(&resource::POD, name, &why))
}

/// There are no classes of priority here, so every pod has the same.
fn priority(spec: &Value) -> Result<(), String> {
    let number = spec["priority"].as_i64().unwrap_or_default();
    if number != 0 {
        return Err(format!(
            "the integer value of priority ({number}) must not be provided in pod spec; priority admission controller \
             computed 0 from the given PriorityClass name"
        ));
    }
    let policy = spec["preemptionPolicy"]
        .as_str()
        .unwrap_or("PreemptLowerPriority");
    if policy != "PreemptLowerPriority" {
        return Err(format!(
            "the string value of PreemptionPolicy ({policy}) must not be provided in pod spec; priority admission \
             controller computed PreemptLowerPriority from the given PriorityClass name"
        ));
    }
    Ok(())
}
