//! [`Claimed`]: an object that bears the hold's token, and what may be done with it.

use std::{fmt, time::Duration};

use kube::{
    Resource, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use metaparticle_protocol::{
    Mutants,
    fence::{Deletion, deletion},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Error, Fenced, NotFenced,
    client::is_conflict,
    patch::{difference, stated},
};

/// So often the API server is asked whether it has the policy,
const TRIES: u32 = 20;
/// and so long it is left alone in between: 5 s in all.
const PAUSE: Duration = Duration::from_millis(250);

/// An object that bears the token of a hold: made by [`Fenced::claim`].
///
/// # Guarantees
/// - Nothing is sent once the hold has ended, and no request is waited for longer than it lasts.
/// - A write that arrives after a later holder has claimed the object is refused, and ends the hold.
///
/// # Assumptions
/// Whoever else writes to the object as a holder claims it, too. For [`patch`](Self::patch): each API server of the
/// cluster has the [admission policy](super::admission_policy).
#[derive(Clone, Debug)]
pub struct Claimed<K> {
    by: Fenced<K>,
    object: K,
    /// Endpoints at which the API server was seen to refuse a lower token.
    proven: Vec<String>,
}

impl<K> Claimed<K> {
    pub(super) fn new(by: Fenced<K>, object: K) -> Self {
        Self {
            by,
            object,
            proven: Vec::new(),
        }
    }

    /// The object as it was last read or written.
    pub fn object(&self) -> &K {
        &self.object
    }

    /// The object as it was last read or written.
    #[must_use]
    pub fn into_object(self) -> K {
        self.object
    }
}

impl<K> Claimed<K>
where
    K: Resource + Clone + fmt::Debug + Serialize + DeserializeOwned,
{
    /// Changes the object by compare-and-swap: what `change` changed is sent with uid, version and token, as a merge
    /// patch, so that fields unknown to `K` stay. If somebody else wrote meanwhile, it is read again and `change` runs
    /// again.
    ///
    /// # Errors
    /// [`Error::Lost`] if the hold has ended or a later one has claimed the object; [`Error::Gone`] if it was deleted;
    /// [`Error::Unanswered`] and [`Error::Api`] after which nothing more was tried.
    ///
    /// # Cancel safety
    /// May be dropped; the change may have been done.
    pub async fn update(&mut self, change: impl FnMut(&mut K)) -> Result<&K, Error> {
        self.swap(None, change).await
    }

    /// As [`update`](Self::update), of what is below `status`. Also for custom resources, whose `/status` the admission
    /// policy cannot judge: the version is that of a state that bore the own token.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    ///
    /// # Cancel safety
    /// May be dropped; the change may have been done.
    pub async fn update_status(&mut self, change: impl FnMut(&mut K)) -> Result<&K, Error> {
        self.swap(Some("status"), change).await
    }

    async fn swap(
        &mut self,
        subresource: Option<&str>,
        mut change: impl FnMut(&mut K),
    ) -> Result<&K, Error> {
        let (name, doing) = self.called("update", subresource);
        let json = |object: &K| {
            serde_json::to_value(object).map_err(|_| Error::Patch {
                what: "cannot be made: the object cannot be written as JSON",
            })
        };
        loop {
            // Whoever took the token off is no holder; the version that is swapped bears it again.
            self.object = self.by.claimed(self.object.clone()).await?;
            let mut next = self.object.clone();
            change(&mut next);
            let difference = difference(&json(&self.object)?, &json(&next)?);
            let mut patch = self.stated(&Patch::Merge(difference))?;
            if let Patch::Merge(body) = &mut patch {
                body["metadata"]["resourceVersion"] = json!(self.object.resource_version());
            }
            let params = PatchParams::default();
            let sent = self.sent(&doing, subresource, &name, &params, &patch).await;
            match sent {
                Err(error) if is_conflict(&error) => {
                    self.object = self.by.again(&self.object).await?;
                }
                Err(error) => return Err(error),
                Ok(object) => {
                    self.object = object;
                    return Ok(&self.object);
                }
            }
        }
    }

    /// Patches the object with the token stated, whatever its version: for objects to which many write at once. What
    /// refuses the deposed is the [admission policy](super::admission_policy); before the first patch the API server is
    /// asked, by a dry run with a lower token, whether it has it, for up to 5 s, as one that was just written takes a moment
    /// to come into effect.
    ///
    /// # Errors
    /// [`Error::NotFenced`] without the policy, as on the embedded cluster: [`update`](Self::update) needs none.
    /// [`Error::Lost`] if the hold has ended or a later one has claimed the object; [`Error::Patch`] for a JSON patch, and
    /// for one that removes the annotations.
    ///
    /// # Cancel safety
    /// May be dropped; the patch may have been done.
    pub async fn patch<P: Serialize>(
        &mut self,
        params: &PatchParams,
        patch: &Patch<P>,
    ) -> Result<&K, Error> {
        self.patched(None, params, patch).await
    }

    /// As [`patch`](Self::patch), at a subresource such as `status`.
    ///
    /// # Errors
    /// As [`patch`](Self::patch), and [`Error::NotFenced`] for `scale`, `eviction`, `binding`, and for the `status` of
    /// a custom resource, with what to do instead.
    ///
    /// # Cancel safety
    /// May be dropped; the patch may have been done.
    pub async fn patch_subresource<P: Serialize>(
        &mut self,
        subresource: &str,
        params: &PatchParams,
        patch: &Patch<P>,
    ) -> Result<&K, Error> {
        self.patched(Some(subresource), params, patch).await
    }

    async fn patched<P: Serialize>(
        &mut self,
        subresource: Option<&str>,
        params: &PatchParams,
        patch: &Patch<P>,
    ) -> Result<&K, Error> {
        let patch = self.stated(patch)?;
        let (name, doing) = self.called("patch", subresource);
        if let Some((why, instead)) = subresource.and_then(never) {
            return Err(not_fenced(doing, why, instead).into());
        }
        self.prove(subresource).await?;
        self.object = self
            .sent(&doing, subresource, &name, params, &patch)
            .await?;
        Ok(&self.object)
    }

    /// Deletes the object, in a version that bore the own token.
    ///
    /// Preconditions in `params` are replaced. Finalizers and dependents are dealt with as everywhere in Kubernetes: it
    /// may go later. If it is gone already, that is as well.
    ///
    /// # Errors
    /// [`Error::Lost`] if the hold has ended or a later one has claimed the object; [`Error::Unanswered`] and
    /// [`Error::Api`] after which nothing more was tried.
    ///
    /// # Cancel safety
    /// May be dropped; the deletion may have been done.
    pub async fn delete(mut self, params: &DeleteParams) -> Result<(), Error> {
        let (name, doing) = self.called("delete", None);
        loop {
            let stored = self.by.borne_by(&self.object);
            match deletion(self.by.token(), stored, Mutants::NONE) {
                Deletion::Lost => return Err(self.by.deposed()),
                Deletion::ClaimFirst => {
                    self.object = self.by.claimed(self.object.clone()).await?;
                    continue;
                }
                Deletion::Allowed => {}
            }
            let params = params.clone().preconditions(Preconditions {
                uid: self.object.uid(),
                resource_version: self.object.resource_version(),
            });
            let request = self.by.api().delete(&name, &params);
            match self.by.send(&doing, request).await {
                Ok(_) => return Ok(()),
                Err(error) if is_conflict(&error) => match self.by.again(&self.object).await {
                    Ok(object) => self.object = object,
                    Err(Error::Gone { .. }) => return Ok(()),
                    Err(error) => return Err(error),
                },
                Err(Error::Api {
                    source: kube::Error::Api(status),
                    ..
                }) if status.code == 404 => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn stated<P: Serialize>(&self, patch: &Patch<P>) -> Result<Patch<Value>, Error> {
        let uid = self.object.uid().unwrap_or_default();
        stated(patch, &self.by.key(), self.by.token().0, &uid)
    }

    async fn sent(
        &self,
        doing: &str,
        subresource: Option<&str>,
        name: &str,
        params: &PatchParams,
        patch: &Patch<Value>,
    ) -> Result<K, Error> {
        let api = self.by.api();
        match subresource {
            None => self.by.send(doing, api.patch(name, params, patch)).await,
            Some(subresource) => {
                let request = api.patch_subresource(subresource, name, params, patch);
                self.by.send(doing, request).await
            }
        }
    }

    /// Sees the API server refuse a lower token at an endpoint, in a dry run.
    async fn prove(&mut self, subresource: Option<&str>) -> Result<(), Error> {
        let endpoint = subresource.unwrap_or_default();
        if self.proven.iter().any(|proven| proven == endpoint) {
            return Ok(());
        }
        let (name, doing) = self.called("patch", subresource);
        let lower = json!({ "metadata": {
            "annotations": { self.by.key(): self.by.token().0.saturating_sub(1).to_string() },
        }});
        let (lower, params) = (Patch::Merge(lower), PatchParams::default().dry_run());
        let api = self.by.api();
        let ask = async || {
            let answer = match subresource {
                None => api.patch(&name, &params, &lower).await,
                Some(subresource) => {
                    api.patch_subresource(subresource, &name, &params, &lower)
                        .await
                }
            };
            match answer {
                Err(error) if self.by.is_refusal(&error) => Ok(true),
                answer => answer.map(|_| false),
            }
        };
        // A policy that was just written comes into effect a little later.
        let tries = if self.proven.is_empty() { TRIES } else { 1 };
        for tried in 1..=tries {
            if self.by.send(&doing, ask()).await? {
                self.proven.push(endpoint.to_owned());
                return Ok(());
            }
            if tried < tries {
                tokio::time::sleep(PAUSE).await;
            }
        }
        let (why, instead) = match subresource {
            None => (
                "the API server took a lower token in a dry run, so it has no fencing policy (the embedded cluster never \
                 has one)",
                "apply fence::admission_policy(), or use `update`, which needs none",
            ),
            Some(_) => (
                "the API server took a lower token there in a dry run: it has no fencing policy, or drops what is said \
                 about metadata there, as at the `status` of a custom resource",
                "use `update_status`, which needs neither",
            ),
        };
        Err(not_fenced(doing, why, instead).into())
    }
}

impl<K: Resource> Claimed<K> {
    /// The name, and how the request is called in messages.
    fn called(&self, verb: &str, subresource: Option<&str>) -> (String, String) {
        let name = self.object.name_any();
        let object = self.by.called(&name);
        let doing = match subresource {
            None => format!("{verb} {object}"),
            Some(subresource) => format!("{verb} {object}/{subresource}"),
        };
        (name, doing)
    }
}

fn not_fenced(request: String, why: &'static str, instead: &'static str) -> NotFenced {
    NotFenced {
        request,
        why,
        instead,
    }
}

/// Why no token is ever compared at a subresource, and what to do instead.
fn never(subresource: &str) -> Option<(&'static str, &'static str)> {
    Some(match subresource {
        "scale" => (
            "a Scale is another object, without annotations",
            "set `spec.replicas` with `update`",
        ),
        "eviction" => (
            "an Eviction is created, and says nothing of the Pod's annotations",
            "use `delete`, after a look at the PodDisruptionBudgets",
        ),
        "binding" => (
            "a Binding is created, and says nothing of the Pod's annotations",
            "leave the choice of nodes to the scheduler",
        ),
        _ => return None,
    })
}
