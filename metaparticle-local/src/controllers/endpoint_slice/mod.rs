//! EndpointSlices of Services with selectors: the addresses of their pods, and whether they serve.

mod decide;
mod endpoint;

use std::time::Duration;

use k8s_openapi::api::{
    core::v1::{Pod, Service},
    discovery::v1::EndpointSlice,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{
    Api, Change,
    failure::Failure,
    resource::{ENDPOINT_SLICE, POD, Resource, SERVICE},
};

use super::{
    adoption::{MANAGER, delete, unless_gone},
    object::Object,
    run::{Controller, Key, key},
    selector::Labels,
};
use decide::{SERVICE_NAME, decide, is_managed};

/// When the pods of a slice changed last.
const CHANGED: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// The controller.
#[derive(Debug)]
pub(super) struct EndpointSlices;

impl Controller for EndpointSlices {
    type Key = Key;

    fn watches(&self) -> Vec<&'static Resource> {
        vec![&SERVICE, &POD, &ENDPOINT_SLICE]
    }

    fn keys(&mut self, api: &Api, change: &Change) -> Vec<Key> {
        if change.resource == &SERVICE {
            return vec![key(change)];
        }
        if change.resource == &ENDPOINT_SLICE {
            let service = change.object["metadata"]["labels"][SERVICE_NAME].as_str();
            let service = service.filter(|_| is_managed(&change.object));
            return service
                .map(|it| (change.namespace.clone(), it.to_owned()))
                .into_iter()
                .collect();
        }
        // Services that select it now, or did before.
        let labels: Vec<Labels> = [Some(&change.object), change.previous.as_ref()]
            .into_iter()
            .flatten()
            .map(|it| Labels::deserialize(&it["metadata"]["labels"]).unwrap_or_default())
            .collect();
        let services = api.list(&SERVICE, Some(&change.namespace));
        let concerned = services.iter().filter(|it| {
            selector(it).is_some_and(|selector| labels.iter().any(|it| selects(&selector, it)))
        });
        let names = concerned.filter_map(|it| it["metadata"]["name"].as_str());
        names
            .map(|name| (change.namespace.clone(), name.to_owned()))
            .collect()
    }

    fn reconcile(
        &mut self,
        api: &Api,
        (namespace, name): &Key,
    ) -> Result<Option<Duration>, Failure> {
        let Some(service) = Object::<Service>::read(api, &SERVICE, namespace, name) else {
            return Ok(None);
        };
        let external = service.raw["spec"]["type"] == "ExternalName";
        let Some(selector) = selector(&service.raw).filter(|_| !external && !service.is_deleting())
        else {
            return Ok(None);
        };
        let pods = Object::<Pod>::list(api, &POD, namespace, |it| {
            Labels::deserialize(&it["metadata"]["labels"]).is_ok_and(|it| selects(&selector, &it))
        });
        let slices = Object::<EndpointSlice>::list(api, &ENDPOINT_SLICE, namespace, |it| {
            it["metadata"]["labels"][SERVICE_NAME] == **name
                && is_managed(it)
                && it["metadata"]["deletionTimestamp"].is_null()
        });
        let decision = decide(&service, &pods, &slices);
        let now = json!(api.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        for mut slice in decision.create {
            slice["metadata"]["annotations"] = json!({CHANGED: now});
            api.create(&ENDPOINT_SLICE, namespace, slice, MANAGER)?;
        }
        for (slice, contents) in decision.update {
            unless_gone(
                api.update(&ENDPOINT_SLICE, namespace, &slice, MANAGER, |object| {
                    object["metadata"]["annotations"][CHANGED] = now.clone();
                    object["metadata"]["labels"] = contents.labels.clone();
                    object["endpoints"] = contents.endpoints.clone();
                    object["ports"] = contents.ports.clone();
                }),
            )?;
        }
        for slice in decision.delete {
            delete(api, &ENDPOINT_SLICE, namespace, &slice)?;
        }
        Ok(None)
    }
}

/// `spec.selector`, if it selects by anything.
fn selector(service: &Value) -> Option<Labels> {
    let selector = Labels::deserialize(&service["spec"]["selector"]).ok()?;
    (!selector.is_empty()).then_some(selector)
}

fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}
