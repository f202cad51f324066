//! [`Registry`]: the requests of the OCI distribution specification that pushing needs, over reqwest.
//!
//! Every request carries what an earlier challenge of the registry asked for; a new challenge is answered once. What
//! fails for a moment is repeated a few times. See <https://github.com/opencontainers/distribution-spec>.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::{
    StatusCode, Url,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION},
};
use tokio::time::sleep;

mod auth;
mod error;
mod transport;

pub use self::error::{Action, RegistryError};
use self::transport::{Call, PAUSES, Session, client};
use super::{
    credentials::Places,
    digest::Digest,
    manifest::media_type,
    reference::{Host, Location},
};

/// A repository of a registry.
#[derive(Clone, Debug)]
pub struct Registry {
    location: Location,
    /// URL of the registry.
    url: Url,
    client: reqwest::Client,
    places: Places,
    session: Arc<Session>,
}

/// What sending a blob took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pushed {
    /// The registry took it over from another repository.
    Mounted,
    /// It was sent.
    Sent,
}

/// A manifest as a registry gives it, checked against its digest.
#[derive(Clone, Debug)]
pub struct RemoteManifest {
    /// Media type.
    pub media_type: String,
    /// Digest of the bytes.
    pub digest: Digest,
    /// The JSON text.
    pub bytes: Bytes,
}

const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

impl Registry {
    /// A client for `location`. Speaks to nobody yet; credentials are looked up when the registry asks for them.
    ///
    /// # Errors
    /// [`RegistryError::Client`] if HTTPS cannot be set up.
    pub fn new(location: Location, places: Places) -> Result<Self, RegistryError> {
        let url = Url::parse(&location.host.url()).map_err(|_| RegistryError::Protocol {
            host: location.host.clone(),
            action: Action::ReadManifest,
            what: "its name is not a host".to_owned(),
        })?;
        Ok(Self {
            client: client(location.host.is_loopback())?,
            location,
            url,
            places,
            session: Arc::default(),
        })
    }

    /// The repository.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Digest of the manifest of a tag or digest, if there is one.
    ///
    /// # Errors
    /// [`RegistryError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn head_manifest(&self, reference: &str) -> Result<Option<Digest>, RegistryError> {
        let call = self.pushing(Action::ReadManifest);
        let url = self.path(&format!("manifests/{reference}"));
        let response = self
            .send(&call, || {
                self.client.head(url.clone()).header(ACCEPT, MANIFESTS)
            })
            .await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => match content_digest(response.headers()) {
                Some(digest) => Ok(Some(digest)),
                // Old registries send no digest: the content tells.
                None => Ok(Some(self.manifest_for(&call, reference).await?.digest)),
            },
            _ => Err(self.refused(&call, response).await),
        }
    }

    /// Whether a blob is in the repository.
    ///
    /// # Errors
    /// [`RegistryError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn has_blob(&self, digest: Digest) -> Result<bool, RegistryError> {
        let call = self.pushing(Action::ReadBlob);
        let url = self.path(&format!("blobs/{digest}"));
        let response = self.send(&call, || self.client.head(url.clone())).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(self.refused(&call, response).await),
        }
    }

    /// Sends a blob in one piece, unless the registry can take it from the repository `from`.
    ///
    /// # Errors
    /// [`RegistryError`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves an unfinished upload, which registries throw away after some time.
    pub async fn push_blob(
        &self,
        digest: Digest,
        content: Bytes,
        mut from: Option<&str>,
    ) -> Result<Pushed, RegistryError> {
        let mut call = self.pushing(Action::PushBlob);
        if let Some(from) = from {
            call.scopes.push(format!("repository:{from}:pull"));
        }
        let mut pauses = PAUSES.into_iter();
        // An upload cannot be sent to the same place twice, so what is repeated is the pair of requests.
        loop {
            let error = match self.try_push_blob(&call, digest, &content, from).await {
                Ok(pushed) => return Ok(pushed),
                Err(error) => error,
            };
            match pauses.next() {
                // Who may push here may still not read there.
                Some(_)
                    if from.is_some() && matches!(error, RegistryError::Unauthorized { .. }) =>
                {
                    call = self.pushing(Action::PushBlob);
                    from = None;
                }
                Some(pause) if error.is_transient() => sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    /// Takes a blob from the repository `from` of the same registry; `false` if the registry does not do that.
    ///
    /// # Errors
    /// [`RegistryError`].
    ///
    /// # Cancel safety
    /// As [`Registry::push_blob`].
    pub async fn mount_blob(&self, digest: Digest, from: &str) -> Result<bool, RegistryError> {
        let mut call = self.pushing(Action::PushBlob);
        call.scopes.push(format!("repository:{from}:pull"));
        match self.start_upload(&call, digest, Some(from)).await {
            Ok(upload) => Ok(upload.is_none()),
            Err(RegistryError::Unauthorized { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn try_push_blob(
        &self,
        call: &Call,
        digest: Digest,
        content: &Bytes,
        from: Option<&str>,
    ) -> Result<Pushed, RegistryError> {
        let Some(upload) = self.start_upload(call, digest, from).await? else {
            return Ok(Pushed::Mounted);
        };
        let put = || {
            self.client
                .put(upload.clone())
                .header(CONTENT_TYPE, "application/octet-stream")
                .body(content.clone())
        };
        let sent = self.send_once(call, &put).await?;
        if sent.status() == StatusCode::CREATED {
            Ok(Pushed::Sent)
        } else {
            Err(self.refused(call, sent).await)
        }
    }

    /// Where to send a blob to; `None` if the registry has taken it from `from`.
    async fn start_upload(
        &self,
        call: &Call,
        digest: Digest,
        from: Option<&str>,
    ) -> Result<Option<Url>, RegistryError> {
        let mut url = self.path("blobs/uploads/");
        if let Some(from) = from {
            url.query_pairs_mut()
                .append_pair("mount", &digest.to_string())
                .append_pair("from", from);
        }
        let started = self
            .send(call, || {
                self.client.post(url.clone()).header(CONTENT_LENGTH, 0)
            })
            .await?;
        match started.status() {
            StatusCode::CREATED => return Ok(None),
            StatusCode::ACCEPTED => {}
            _ => return Err(self.refused(call, started).await),
        }
        let mut upload = started
            .headers()
            .get(LOCATION)
            .and_then(|value| self.url.join(value.to_str().ok()?).ok())
            .ok_or_else(|| self.protocol(call, "an upload without a location"))?;
        upload
            .query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        Ok(Some(upload))
    }

    /// Sends a manifest under a tag or digest.
    ///
    /// # Errors
    /// [`RegistryError`].
    ///
    /// # Cancel safety
    /// The manifest may have been stored although the future was dropped.
    pub async fn push_manifest(
        &self,
        reference: &str,
        media_type: &str,
        content: &Bytes,
    ) -> Result<(), RegistryError> {
        let call = self.pushing(Action::PushManifest);
        let url = self.path(&format!("manifests/{reference}"));
        let response = self
            .send(&call, || {
                self.client
                    .put(url.clone())
                    .header(CONTENT_TYPE, media_type)
                    .body(content.clone())
            })
            .await?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(self.refused(&call, response).await)
        }
    }

    /// The manifest of a tag or digest.
    ///
    /// # Errors
    /// [`RegistryError`]; its status is 404 if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn manifest(&self, reference: &str) -> Result<RemoteManifest, RegistryError> {
        self.manifest_for(&self.pulling(Action::ReadManifest), reference)
            .await
    }

    async fn manifest_for(
        &self,
        call: &Call,
        reference: &str,
    ) -> Result<RemoteManifest, RegistryError> {
        let url = self.path(&format!("manifests/{reference}"));
        let response = self
            .send(call, || {
                self.client.get(url.clone()).header(ACCEPT, MANIFESTS)
            })
            .await?;
        if !response.status().is_success() {
            return Err(self.refused(call, response).await);
        }
        let media_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or(media_type::MANIFEST)
            .trim()
            .to_owned();
        let bytes = self.body(call, response).await?;
        let digest = Digest::of(&bytes);
        match Digest::parse(reference) {
            Ok(expected) if expected != digest => Err(self.corrupt(expected, digest)),
            _ => Ok(RemoteManifest {
                media_type,
                digest,
                bytes,
            }),
        }
    }

    /// The content of a blob.
    ///
    /// # Errors
    /// [`RegistryError`]; [`RegistryError::Corrupt`] if it is not what its digest says.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn blob(&self, digest: Digest) -> Result<Bytes, RegistryError> {
        let call = self.pulling(Action::ReadBlob);
        let url = self.path(&format!("blobs/{digest}"));
        let response = self.send(&call, || self.client.get(url.clone())).await?;
        if !response.status().is_success() {
            return Err(self.refused(&call, response).await);
        }
        let bytes = self.body(&call, response).await?;
        match Digest::of(&bytes) {
            actual if actual == digest => Ok(bytes),
            actual => Err(self.corrupt(digest, actual)),
        }
    }

    fn pushing(&self, action: Action) -> Call {
        self.call(action, "pull,push")
    }

    fn pulling(&self, action: Action) -> Call {
        self.call(action, "pull")
    }

    fn call(&self, action: Action, rights: &str) -> Call {
        let repository = &self.location.repository;
        Call {
            action,
            scopes: vec![format!("repository:{repository}:{rights}")],
        }
    }

    fn path(&self, rest: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("/v2/{}/{rest}", self.location.repository));
        url
    }
}

fn content_digest(headers: &HeaderMap) -> Option<Digest> {
    let value = headers.get("docker-content-digest")?;
    Digest::parse(value.to_str().ok()?).ok()
}
