//! Objects of the whole cluster that belong to no single application: the fencing policy of `coordination(policy)`.
//!
//! They are written where they are not as wanted, stay out of the application's set, and are never deleted.

use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use metaparticle_spec::render::is_shared;
use serde_json::Value;

use super::{Change, Error, MANAGER};
use crate::deploy::{
    cluster::{self, Cluster},
    report::{Event, Report},
};

/// One of them, and what of it the cluster has.
struct Shared<'a> {
    api: Api<DynamicObject>,
    kind: String,
    name: &'a str,
    manifest: &'a Value,
    live: Option<DynamicObject>,
}

/// Finds what would stop [`ensure`]: a cluster without admission policies. Writes nothing.
pub(super) async fn preflight(cluster: &Cluster, manifests: &[Value]) -> Result<(), Error> {
    for manifest in manifests.iter().filter(|manifest| is_shared(manifest)) {
        look(cluster, manifest).await?;
    }
    Ok(())
}

/// Makes them be as wanted.
pub(super) async fn ensure(
    cluster: &Cluster,
    manifests: &[Value],
    report: &Report,
) -> Result<(), Error> {
    for manifest in manifests.iter().filter(|manifest| is_shared(manifest)) {
        let shared = look(cluster, manifest).await?;
        let before = shared.live.as_ref();
        let change = match before {
            Some(live) if live.data["spec"] == manifest["spec"] => Change::Unchanged,
            Some(_) => Change::Changed,
            None => Change::Created,
        };
        let version = if change == Change::Unchanged {
            before.and_then(|live| live.metadata.resource_version.clone())
        } else {
            shared.write(cluster).await?.metadata.resource_version
        };
        report.event(Event::Applied {
            kind: shared.kind,
            name: shared.name.to_owned(),
            change,
            resource_version: version.unwrap_or_default(),
        });
    }
    Ok(())
}

async fn look<'a>(cluster: &Cluster, manifest: &'a Value) -> Result<Shared<'a>, Error> {
    let text = |field: &str| manifest[field].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or_default();
    let kind = text("kind");
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &resource);
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
    // A list tells a kind that is not served from an object that is not there.
    let params = ListParams::default().fields(&format!("metadata.name={name}"));
    let found = cluster
        .call(format_args!("look for {kind}/{name}"), async || {
            api.list(&params).await
        })
        .await
        .map_err(|error| refusal(cluster, kind, name, error))?;
    Ok(Shared {
        live: found.items.into_iter().next(),
        api,
        kind: kind.to_owned(),
        name,
        manifest,
    })
}

impl Shared<'_> {
    async fn write(&self, cluster: &Cluster) -> Result<DynamicObject, Error> {
        let params = PatchParams::apply(MANAGER).validation_strict();
        let patch = Patch::Apply(self.manifest);
        cluster
            .call(
                format_args!("apply {}/{}", self.kind, self.name),
                async || self.api.patch(self.name, &params, &patch).await,
            )
            .await
            .map_err(|error| refusal(cluster, &self.kind, self.name, error))
    }
}

fn refusal(cluster: &Cluster, kind: &str, name: &str, error: cluster::Error) -> Error {
    match error.status().map(|status| status.code) {
        Some(404) => Error::NoPolicies {
            context: cluster.context.clone(),
        },
        Some(403) => Error::SharedForbidden {
            object: format!("{kind}/{name}"),
            source: error,
        },
        _ => error.into(),
    }
}
