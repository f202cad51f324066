//! How requests travel: what authorizes them, what is repeated, and what a refusal means.

use std::{borrow::Cow, collections::HashMap, time::Duration};

use bytes::Bytes;
use reqwest::{
    RequestBuilder, Response, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use tokio::{
    sync::{Mutex, OnceCell},
    time::sleep,
};

use super::{
    super::{credentials::Credential, digest::Digest},
    Action, Registry, RegistryError,
    auth::{self, Authorization, Challenge},
};

/// What a request is for, and the rights that it needs.
pub(super) struct Call {
    pub(super) action: Action,
    pub(super) scopes: Vec<String>,
}

/// What was learnt from the registry's challenges.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Answers by scopes. The lock is held while an answer is asked for: requests in parallel ask once.
    answers: Mutex<HashMap<Vec<String>, Authorization>>,
    credential: OnceCell<Credential>,
    /// The client for a token server that is reached in another way than the registry.
    tls: OnceCell<reqwest::Client>,
}

/// Pauses before the repetitions of a request.
pub(super) const PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1600),
];
/// The longest pause that a registry may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time from the beginning of an upload to its answer, and longest silence in a download. A peer that is gone
/// is noticed before, by [`DEAD_PEER`].
const READ_TIMEOUT: Duration = Duration::from_secs(1800);
/// So long may sent bytes stay unacknowledged, or a probe of an idle connection unanswered.
const DEAD_PEER: Duration = Duration::from_secs(60);
impl Registry {
    /// Sends a request; repeats it if it failed for a moment.
    pub(super) async fn send(
        &self,
        call: &Call,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, RegistryError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let pause = pauses.next();
            match (self.send_once(call, &request).await, pause) {
                (Ok(response), Some(pause)) if is_transient(response.status()) => {
                    sleep(asked_pause(response.headers()).unwrap_or(pause)).await;
                }
                (Err(error), Some(pause)) if error.is_transient() => sleep(pause).await,
                (result, _) => return result,
            }
        }
    }

    /// Sends a request, and once more if the registry then asks who this is.
    pub(super) async fn send_once(
        &self,
        call: &Call,
        request: &impl Fn() -> RequestBuilder,
    ) -> Result<Response, RegistryError> {
        let known = self.session.answers.lock().await.get(&call.scopes).cloned();
        let response = self.execute(call, request(), known.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let Some(challenge) = Challenge::of(response.headers()) else {
            return Ok(response);
        };
        match self.answer(call, &challenge, known.as_ref()).await? {
            Some(answer) => self.execute(call, request(), Some(&answer)).await,
            None => Ok(response),
        }
    }

    async fn execute(
        &self,
        call: &Call,
        request: RequestBuilder,
        authorization: Option<&Authorization>,
    ) -> Result<Response, RegistryError> {
        let unreachable = |source: reqwest::Error| RegistryError::Unreachable {
            host: self.location.host.clone(),
            action: call.action,
            source: source.without_url(),
        };
        let mut request = request.build().map_err(unreachable)?;
        // An upload may go to another host (signed URLs of a storage): that host gets no credentials.
        if let Some(authorization) = authorization
            && request.url().origin() == self.url.origin()
        {
            let (name, value) = authorization.header();
            request.headers_mut().insert(name, value);
        }
        self.client.execute(request).await.map_err(unreachable)
    }

    /// Answers a challenge. `None` if there is nothing to answer with, or `refused` was the answer already.
    async fn answer(
        &self,
        call: &Call,
        challenge: &Challenge,
        refused: Option<&Authorization>,
    ) -> Result<Option<Authorization>, RegistryError> {
        let mut answers = self.session.answers.lock().await;
        match answers.get(&call.scopes) {
            // Another request has been given a newer one meanwhile.
            Some(newer) if refused.is_none_or(|refused| !newer.is(refused)) => {
                return Ok(Some(newer.clone()));
            }
            _ => {}
        }
        let credential = self.credential().await?;
        let answer = match challenge {
            Challenge::Basic => match Authorization::of(credential) {
                Some(answer) if refused.is_none_or(|refused| !answer.is(refused)) => answer,
                _ => return Ok(None),
            },
            Challenge::Bearer {
                realm,
                service,
                scope,
            } => {
                let challenge = (realm.as_str(), service.as_deref(), scope.as_deref());
                self.token(credential, challenge, &call.scopes).await?
            }
        };
        answers.insert(call.scopes.clone(), answer.clone());
        Ok(Some(answer))
    }

    async fn credential(&self) -> Result<&Credential, RegistryError> {
        self.session
            .credential
            .get_or_try_init(|| async {
                let found = self.places.credential(&self.location).await;
                found.map_err(|source| RegistryError::Credentials {
                    host: self.location.host.clone(),
                    source,
                })
            })
            .await
    }

    async fn token(
        &self,
        credential: &Credential,
        challenge: (&str, Option<&str>, Option<&str>),
        scopes: &[String],
    ) -> Result<Authorization, RegistryError> {
        let host = &self.location.host;
        let call = Call {
            action: Action::Authorize,
            scopes: scopes.to_vec(),
        };
        let request = auth::token_request(host, credential, challenge, scopes)?;
        let client = if host.is_loopback() && challenge.0.starts_with("https:") {
            let client = || async { client(false) };
            self.session.tls.get_or_try_init(client).await?
        } else {
            &self.client
        };
        let mut pauses = PAUSES.into_iter();
        loop {
            let error = match request.send(client).await {
                Ok(response) if response.status().is_success() => {
                    let body = self.body(&call, response).await?;
                    return auth::token(&body).ok_or_else(|| {
                        self.protocol(&call, "a token server's answer without a token")
                    });
                }
                Ok(response) if response.status().is_client_error() => {
                    return Err(self.unauthorized(&call, response).await);
                }
                Ok(response) => self.refused(&call, response).await,
                Err(source) => RegistryError::Unreachable {
                    host: host.clone(),
                    action: call.action,
                    source: source.without_url(),
                },
            };
            match pauses.next() {
                Some(pause) if error.is_transient() => sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    /// The error of an answer that means failure.
    pub(super) async fn refused(&self, call: &Call, response: Response) -> RegistryError {
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return self.unauthorized(call, response).await;
        }
        RegistryError::Status {
            location: self.location.clone(),
            action: call.action,
            status: status.as_u16(),
            message: message(response).await,
        }
    }

    async fn unauthorized(&self, call: &Call, response: Response) -> RegistryError {
        let credential = self.session.credential.get();
        RegistryError::Unauthorized {
            location: self.location.clone(),
            action: call.action,
            identified: credential.is_some_and(|known| *known != Credential::Anonymous),
            message: message(response).await,
        }
    }

    pub(super) fn protocol(&self, call: &Call, what: &str) -> RegistryError {
        RegistryError::Protocol {
            host: self.location.host.clone(),
            action: call.action,
            what: what.to_owned(),
        }
    }

    pub(super) fn corrupt(&self, expected: Digest, actual: Digest) -> RegistryError {
        RegistryError::Corrupt {
            host: self.location.host.clone(),
            expected,
            actual,
        }
    }

    pub(super) async fn body(
        &self,
        call: &Call,
        response: Response,
    ) -> Result<Bytes, RegistryError> {
        response
            .bytes()
            .await
            .map_err(|source| RegistryError::Unreachable {
                host: self.location.host.clone(),
                action: call.action,
                source: source.without_url(),
            })
    }
}

/// A client. For this machine it takes no proxy, and does not read the system's certificates, which takes longer than
/// the whole push.
pub(super) fn client(loopback: bool) -> Result<reqwest::Client, RegistryError> {
    // With more than one provider in the graph rustls wants to be told; the user's choice stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("metaparticle/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(DEAD_PEER / 2)
        .read_timeout(READ_TIMEOUT);
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(DEAD_PEER);
    let builder = if loopback {
        let trust_nobody = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        builder.no_proxy().tls_backend_preconfigured(trust_nobody)
    } else {
        builder
    };
    builder.build().map_err(RegistryError::Client)
}

fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// The pause that a registry asks for, in seconds.
fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// What a registry says about a failure: its first error, or the beginning of its text.
async fn message(response: Response) -> String {
    let reason = response.status().canonical_reason().unwrap_or("no reason");
    let body = response.bytes().await.unwrap_or_default();
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let error = &json["errors"][0];
    let said = ["message", "code"]
        .iter()
        .filter_map(|key| error[key].as_str())
        .chain(json["details"].as_str())
        .find(|text| !text.is_empty())
        .map_or_else(|| String::from_utf8_lossy(&body), Cow::Borrowed);
    let line = said.lines().next().unwrap_or_default().trim();
    match line.chars().take(200).collect::<String>() {
        line if line.is_empty() => reason.to_lowercase(),
        line => line,
    }
}
