//! What containers ask for and may use.

use serde_json::Value;

use super::super::{at::At, names};
use crate::api::{decode::Quantity, failure::FieldError};

/// `resources` of a container.
pub(super) fn validate(resources: &At<'_>) -> Vec<FieldError> {
    let limits = resources.get("limits");
    let requests = resources.get("requests");
    let mut errors = Vec::new();
    for (name, _) in limits.entries() {
        errors.extend(amount(name, &limits.key(name)));
    }
    for (name, value) in requests.entries() {
        let at = requests.key(name);
        errors.extend(amount(name, &at));
        let Some(asked) = Quantity::of(value) else {
            continue;
        };
        let equal = !may_overcommit(name);
        match Quantity::of(limits.key(name).value) {
            Some(limit) if equal && limit.nanos() != asked.nanos() => {
                let detail = format!(
                    "must be equal to {name} limit of {}",
                    limit.in_thousandths().canonical()
                );
                errors.push(FieldError::invalid(&requests.path, value, &detail));
            }
            Some(limit) if asked.nanos() > limit.nanos() => {
                let limit = limit.in_thousandths().canonical();
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                errors.push(FieldError::invalid(&requests.path, value, &detail));
            }
            None if equal => {
                errors.push(limits.required("Limit must be set for non overcommitable resources"));
            }
            _ => {}
        }
    }
    errors
}

/// `status.qosClass`: Guaranteed if all containers have equal requests and limits of processor and memory, `BestEffort`
/// if none has any.
pub(in crate::api::kinds) fn quality_of_service(spec: &Value) -> &'static str {
    let containers = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| super::containers(spec, list));
    let amount = |container: &Value, list: &str, name: &str| {
        Quantity::of(&container["resources"][list][name])
            .map(Quantity::nanos)
            .filter(|it| *it != 0)
    };
    let mut any = false;
    let mut guaranteed = true;
    for container in containers {
        for name in ["cpu", "memory"] {
            let request = amount(container, "requests", name);
            let limit = amount(container, "limits", name);
            any |= request.or(limit).is_some();
            guaranteed &= limit.is_some() && request.is_none_or(|it| Some(it) == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn amount(name: &str, at: &At<'_>) -> Vec<FieldError> {
    let text = name.into();
    let named = At::new(&text, &at.path);
    let mut errors = named.all_invalid(names::qualified(name));
    let standard = ["cpu", "memory", "ephemeral-storage"].contains(&name) || is_huge_pages(name);
    if !name.contains('/') && !standard {
        if errors.is_empty() && !is_standard(name) {
            errors.push(named.invalid("must be a standard resource type or fully qualified"));
        }
        errors.push(named.invalid("must be a standard resource for containers"));
    }
    let Some(quantity) = Quantity::of(at.value) else {
        return errors;
    };
    if quantity.nanos() < 0 {
        errors.push(at.invalid("must be greater than or equal to 0"));
    }
    if name.contains('/') && quantity.nanos() % 1_000_000_000 != 0 {
        errors.push(at.invalid("must be an integer"));
    }
    errors
}

/// Resources that the cluster knows, for containers or for other things.
fn is_standard(name: &str) -> bool {
    let quota = ["requests.", "limits.", "count/"];
    ["storage", "pods", "services", "secrets", "configmaps"].contains(&name)
        || quota.iter().any(|it| name.starts_with(it))
}

fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether limits may be larger than requests: not for devices and large pages.
fn may_overcommit(name: &str) -> bool {
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    native && !is_huge_pages(name)
}
