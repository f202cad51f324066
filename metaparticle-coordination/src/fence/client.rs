//! [`Fenced`]: claims objects for a hold. What is done with them is [`Claimed`]'s.

use std::{fmt, time::Duration};

use kube::{
    Api, Resource, ResourceExt as _,
    api::{Patch, PatchParams},
};
use metaparticle_protocol::{fence::policy, lease::Token};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use tokio::time::timeout;

use super::{Claimed, Error, Fence};
use crate::lost::Lost;

/// The longest wait for an answer. A hold that ends earlier cuts it short.
const LONGEST: Duration = Duration::from_secs(10);

/// A client for objects of one kind that writes for one hold: made by [`Fence::api`].
///
/// It only claims. There is no method for creations, and none for the deletion of a collection: no token protects them;
/// see [what is not fenced](super#what-is-not-fenced).
#[derive(Clone, Debug)]
pub struct Fenced<K> {
    fence: Fence,
    api: Api<K>,
}

impl<K> Fenced<K> {
    pub(super) fn new(fence: Fence, api: Api<K>) -> Self {
        Self { fence, api }
    }

    pub(super) fn api(&self) -> &Api<K> {
        &self.api
    }

    pub(super) fn key(&self) -> String {
        self.fence.annotation()
    }

    pub(super) fn token(&self) -> Token {
        self.fence.token
    }

    /// A later holder has been here: the hold is over, whatever its own record says.
    pub(super) fn deposed(&self) -> Error {
        self.fence.held.lose(Lost::Fenced);
        Error::Lost(Lost::Fenced)
    }

    /// Whether the API server refused because of a token of this election or lock.
    pub(super) fn is_refusal(&self, error: &kube::Error) -> bool {
        let refusal = format!("{}{}", policy::REFUSAL, self.key());
        matches!(error, kube::Error::Api(status) if status.message.contains(&refusal))
    }

    /// Sends a request while the hold is valid, and waits no longer than it is.
    pub(super) async fn send<T>(
        &self,
        doing: impl fmt::Display,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        self.fence.check()?;
        let within = self.fence.held.remaining().min(LONGEST);
        match timeout(within, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if self.is_refusal(&error) => Err(self.deposed()),
            Ok(Err(source)) => Err(Error::Api {
                request: doing.to_string(),
                source,
            }),
            Err(_) => {
                self.fence.check()?;
                Err(Error::Unanswered {
                    request: doing.to_string(),
                    after: within,
                })
            }
        }
    }
}

impl<K: Resource> Fenced<K> {
    /// How an object is called in messages: `configmaps/prices`.
    pub(super) fn called(&self, name: &str) -> String {
        let url = self.api.resource_url();
        format!("{}/{name}", url.rsplit('/').next().unwrap_or(url))
    }

    /// The token that an object bears.
    pub(super) fn borne_by(&self, object: &K) -> Option<Token> {
        object
            .annotations()
            .get(&self.key())
            .and_then(|text| text.parse().ok())
            .map(Token)
    }
}

impl<K> Fenced<K>
where
    K: Resource + Clone + fmt::Debug + Serialize + DeserializeOwned,
{
    /// Writes the token onto an object, by compare-and-swap, before anything else is done with it (F3).
    ///
    /// From then on, what earlier holders still send is refused. An object that bears the token already is only read.
    ///
    /// # Errors
    /// [`Error::Lost`] if the hold has ended, or if the object bears a higher token: then the hold ends here.
    /// [`Error::Api`] if there is no such object (404), or the account may not `get` or `patch` it.
    ///
    /// # Cancel safety
    /// May be dropped; the claim may have been done.
    pub async fn claim(&self, name: &str) -> Result<Claimed<K>, Error> {
        let object = self.read(name).await?;
        let object = self.claimed(object).await?;
        Ok(Claimed::new(self.clone(), object))
    }

    async fn read(&self, name: &str) -> Result<K, Error> {
        let doing = format_args!("read {}", self.called(name)).to_string();
        self.send(doing, self.api.get(name)).await
    }

    /// The object with the own token on it, whoever else writes to it.
    pub(super) async fn claimed(&self, mut object: K) -> Result<K, Error> {
        let name = object.name_any();
        loop {
            match self.borne_by(&object) {
                Some(token) if token > self.token() => return Err(self.deposed()),
                Some(token) if token == self.token() => return Ok(object),
                _ => {}
            }
            let claim = Patch::Merge(json!({ "metadata": {
                "uid": object.uid(),
                "resourceVersion": object.resource_version(),
                "annotations": { self.key(): self.token().to_string() },
            }}));
            let params = PatchParams::default();
            let request = self.api.patch(&name, &params, &claim);
            match self
                .send(format!("claim {}", self.called(&name)), request)
                .await
            {
                Err(error) if is_conflict(&error) => object = self.again(&object).await?,
                answer => return answer,
            }
        }
    }

    /// What became of an object that somebody else has written to: the same one, with no later token.
    pub(super) async fn again(&self, object: &K) -> Result<K, Error> {
        let name = object.name_any();
        let gone = || Error::Gone {
            object: self.called(&name),
        };
        let doing = format!("read {}", self.called(&name));
        let now = self.send(doing, self.api.get_opt(&name)).await?;
        let now = now
            .filter(|now| now.uid() == object.uid())
            .ok_or_else(gone)?;
        if self.borne_by(&now) > Some(self.token()) {
            return Err(self.deposed());
        }
        Ok(now)
    }
}

/// 409: another version, or another uid.
pub(super) fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Api { source: kube::Error::Api(status), .. } if status.code == 409)
}
