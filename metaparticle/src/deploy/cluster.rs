//! [`Cluster`]: the pinned connection to one API server and namespace, and what its refusals mean.

use std::{fmt, time::Duration};

use kube::{
    Api, Client, Config, Error as KubeError,
    client::{AuthError, ClientBuilder},
    config::KubeConfigOptions,
    core::{ApiResource, DynamicObject, Status},
};
use miette::Diagnostic;
use thiserror::Error;
use tower::{BoxError, util::MapResponseLayer};

use super::{proxy, report::Event, report::Report, target::Chosen};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for the answer to one request; watches and logs have limits of their own.
const ANSWER: Duration = Duration::from_secs(30);
/// Waits before a request is sent again.
const BACKOFF: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
];

/// What may be told of a credential helper that failed: not its arguments, its environment or its answer, which hold
/// secrets, but the last line of its standard error.
fn said_by_helper(error: &AuthError) -> String {
    let AuthError::AuthExecRun { out, .. } = error else {
        return error.to_string();
    };
    let said = String::from_utf8_lossy(&out.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    let last = last.unwrap_or("it does not say why");
    format!("the credential helper ended with {}: {last}", out.status)
}

/// A connection to one API server, and the namespace that is worked in. Neither changes while it exists.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// Name of the context that was chosen.
    pub context: String,
    /// URL of the API server.
    pub server: String,
    /// Namespace of all objects.
    pub namespace: String,
}

/// The API server could not be asked, or refused.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// The context's entries do not make a connection.
    #[error("context `{context}` cannot be used: {message}")]
    #[diagnostic(help("repair its cluster and user in the kubeconfig"))]
    Config {
        /// The context.
        context: String,
        /// What is wrong.
        message: String,
    },
    /// No answer.
    #[error("the API server {server} cannot be reached, so I could not {doing}")]
    #[diagnostic(help("is the cluster running, and this machine in its network?"))]
    Unreachable {
        /// URL of the API server.
        server: String,
        /// What was asked for.
        doing: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// No answer in time.
    #[error("the API server {server} did not answer within {} s when I tried to {doing}", ANSWER.as_secs())]
    #[diagnostic(help("is the cluster overloaded, or a firewall in between?"))]
    Timeout {
        /// URL of the API server.
        server: String,
        /// What was asked for.
        doing: String,
    },
    /// The credentials cannot be had, or are not accepted.
    #[error(
        "the credentials of context `{context}` are not accepted, so I could not {doing}: {message}"
    )]
    #[diagnostic(help("log in again as you do for kubectl, then try once more"))]
    Unauthorized {
        /// The context.
        context: String,
        /// What was asked for.
        doing: String,
        /// What the server, or the helper program, said.
        message: String,
    },
    /// The server understood and said no.
    #[error("the API server refused to {doing}: {}", .status.message)]
    #[diagnostic(help("{}", refusal_help(.status)))]
    Refused {
        /// What was asked for.
        doing: String,
        /// The server's answer.
        status: Box<Status>,
    },
    /// Not an answer of a Kubernetes API server.
    #[error("{server} does not answer as a Kubernetes API server does when asked to {doing}")]
    #[diagnostic(help("is the server's URL in the kubeconfig right, and no proxy in between?"))]
    Protocol {
        /// URL of the API server.
        server: String,
        /// What was asked for.
        doing: String,
        /// Why.
        #[source]
        source: BoxError,
    },
}

impl Error {
    /// The server's answer, if it gave one.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused { status, .. } => Some(status),
            _ => None,
        }
    }

    /// Whether the server said that the user may not do this.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.status().is_some_and(Status::is_forbidden)
    }

    /// Whether the server said that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(Status::is_not_found)
    }

    /// Whether the request contradicted what is stored.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(Status::is_conflict)
    }
}

impl Cluster {
    /// Makes the connection that `chosen` describes. Sends nothing yet, except through a credential helper program.
    ///
    /// Warnings of the API server are told to `report`.
    ///
    /// # Errors
    /// [`Error::Config`] if certificates or keys cannot be read, [`Error::Unauthorized`] if a helper program fails.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is kept.
    pub async fn connect(chosen: Chosen, report: &Report) -> Result<Self, Error> {
        let Chosen {
            kubeconfig,
            context,
            server,
            namespace,
            proxy,
            ..
        } = chosen;
        super::install_crypto_provider();
        let options = KubeConfigOptions {
            context: Some(context.clone()),
            ..KubeConfigOptions::default()
        };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.map_err(|error| Error::Config {
            context: context.clone(),
            message: error.to_string(),
        })?;
        config.connect_timeout = Some(CONNECT);
        config.default_retry = false; // `call` decides
        config.default_namespace.clone_from(&namespace);
        config.proxy_url = proxy::choose(proxy.as_deref(), &config.cluster_url, |name| {
            std::env::var(name).ok()
        });
        let builder = ClientBuilder::try_from(config).map_err(|error| match error {
            KubeError::Auth(error) => Error::Unauthorized {
                context: context.clone(),
                doing: "connect".into(),
                message: said_by_helper(&error),
            },
            error => Error::Config {
                context: context.clone(),
                message: error.to_string(),
            },
        })?;
        let warnings = warnings(report.clone());
        Ok(Self {
            client: builder.with_layer(&warnings).build(),
            context,
            server,
            namespace,
        })
    }

    /// A connection through `client`, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn for_tests(client: Client, namespace: &str) -> Self {
        Self {
            client,
            context: "test".into(),
            server: "http://test".into(),
            namespace: namespace.into(),
        }
    }

    /// The objects of one kind in the namespace.
    #[must_use]
    pub fn api(&self, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, resource)
    }

    /// Sends a request that may be repeated, with a time limit, again after errors that pass.
    ///
    /// `doing` completes "I could not …".
    ///
    /// # Errors
    /// [`enum@Error`], by what happened the last time.
    ///
    /// # Cancel safety
    /// As that of the request: one that was sent may still take effect.
    pub async fn call<T>(
        &self,
        doing: impl fmt::Display,
        request: impl AsyncFn() -> Result<T, KubeError>,
    ) -> Result<T, Error> {
        let mut waits = BACKOFF.iter();
        loop {
            let answer = tokio::time::timeout(ANSWER, request()).await;
            let Ok(answer) = answer else {
                return Err(Error::Timeout {
                    server: self.server.clone(),
                    doing: doing.to_string(),
                });
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => match waits.next().filter(|_| is_transient(&error)) {
                    Some(&wait) => tokio::time::sleep(wait.max(asked_wait(&error))).await,
                    None => return Err(self.explain(&doing, error)),
                },
            }
        }
    }

    fn explain(&self, doing: &impl fmt::Display, error: KubeError) -> Error {
        let doing = doing.to_string();
        let server = self.server.clone();
        match error {
            KubeError::Api(status) if status.code == 401 => Error::Unauthorized {
                context: self.context.clone(),
                doing,
                message: status.message,
            },
            KubeError::Api(status) => Error::Refused { doing, status },
            KubeError::Auth(error) => Error::Unauthorized {
                context: self.context.clone(),
                doing,
                message: said_by_helper(&error),
            },
            KubeError::Service(source) => match source.downcast::<KubeError>() {
                // Credential helpers run inside the service.
                Ok(inner) => self.explain(&doing, *inner),
                Err(source) => Error::Unreachable {
                    server,
                    doing,
                    source,
                },
            },
            KubeError::HyperError(source) => Error::Unreachable {
                server,
                doing,
                source: source.into(),
            },
            KubeError::ReadEvents(source) => Error::Unreachable {
                server,
                doing,
                source: source.into(),
            },
            KubeError::SerdeError(source) => Error::Protocol {
                server,
                doing,
                source: source.into(),
            },
            error => Error::Protocol {
                server,
                doing,
                source: error.to_string().into(),
            },
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("context", &self.context)
            .field("server", &self.server)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// Whether the same request may succeed a little later. The only place that decides so.
pub(super) fn is_transient(error: &KubeError) -> bool {
    match error {
        KubeError::Api(status) => {
            // An exceeded quota is a 403; 429 means that the server is busy.
            matches!(status.code, 429 | 502..=504)
                || status.reason == kube::core::response::reason::SERVER_TIMEOUT
        }
        KubeError::Service(error) => !error.is::<KubeError>(),
        KubeError::HyperError(_) | KubeError::ReadEvents(_) => true,
        _ => false,
    }
}

/// How long the server asks to wait.
fn asked_wait(error: &KubeError) -> Duration {
    let seconds = match error {
        KubeError::Api(status) => status.details.as_ref().map(|it| it.retry_after_seconds),
        _ => None,
    };
    Duration::from_secs(seconds.unwrap_or(0).min(10).into())
}

fn refusal_help(status: &Status) -> String {
    let message = &status.message;
    let help = if message.contains("exceeded quota") {
        "ask for less in `resources(…)`, run fewer replicas, or have the namespace's quota raised"
    } else if message.contains("violates PodSecurity") {
        "the namespace's PodSecurity level forbids this; what metaparticle generates satisfies `restricted`"
    } else if status.is_forbidden() {
        "have the verb granted to your user, or name a namespace where it is (--namespace)"
    } else {
        "see `-- metaparticle render` for what is sent"
    };
    help.to_owned()
}

/// Tells `report` what the API server warns of, each once: deprecated fields, PodSecurity levels that only warn.
fn warnings<B: 'static>(
    report: Report,
) -> MapResponseLayer<impl Fn(http::Response<B>) -> http::Response<B> + Clone> {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(std::collections::HashSet::new()));
    MapResponseLayer::new(move |response: http::Response<B>| {
        for value in response.headers().get_all(http::header::WARNING) {
            let Some(message) = value.to_str().ok().and_then(warning_text) else {
                continue;
            };
            let mut seen = seen
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if seen.insert(message.clone()) {
                report.event(Event::warning(format!("the API server says: {message}")));
            }
        }
        response
    })
}

/// The text of `299 - "text"` (RFC 7234, section 5.5).
fn warning_text(header: &str) -> Option<String> {
    let quoted = header.strip_prefix("299 ")?.split_once(" \"")?.1;
    Some(
        quoted
            .strip_suffix('"')?
            .replace("\\\"", "\"")
            .replace("\\\\", "\\"),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kube::client::Body;

    use super::*;

    #[test]
    fn a_failed_credential_helper_tells_neither_its_arguments_nor_its_answer() {
        let mut helper = std::process::Command::new("sh");
        let out = helper
            .args([
                "-c",
                "echo hunter2; echo begin >&2; echo expired >&2; exit 3",
            ])
            .output()
            .unwrap();
        let error = AuthError::AuthExecRun {
            cmd: "helper --secret=hunter2".into(),
            out: Box::new(out),
        };
        assert!(error.to_string().contains("hunter2"), "kube tells all");
        let said = said_by_helper(&error);
        assert!(said.ends_with("exit status: 3: expired"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }

    fn cluster() -> Cluster {
        let service = tower::service_fn(|_: http::Request<Body>| async {
            Err::<http::Response<Body>, _>(BoxError::from("unused"))
        });
        Cluster::for_tests(Client::new(service, "default"), "default")
    }

    fn api_error(code: u16, reason: &str) -> KubeError {
        KubeError::Api(Status::failure("no", reason).with_code(code).boxed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_asked_again() {
        let asked = AtomicUsize::new(0);
        let cluster = cluster();
        let answer = cluster.call("ask", async || {
            match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Err(api_error(503, "ServiceUnavailable")),
                1 => Err(KubeError::Service("reset".into())),
                _ => Ok(7),
            }
        });
        assert_eq!(answer.await.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_final() {
        let asked = AtomicUsize::new(0);
        let cluster = cluster();
        let answer = cluster.call("ask", async || {
            asked.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(api_error(403, "Forbidden"))
        });
        assert!(answer.await.unwrap_err().is_forbidden());
        assert_eq!(asked.into_inner(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_after_the_time_limit() {
        let cluster = cluster();
        let answer = cluster.call("ask", async || {
            std::future::pending::<Result<(), _>>().await
        });
        let error = answer.await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
    }

    #[test]
    fn a_warning_header_is_unquoted() {
        let text = warning_text(r#"299 - "would violate \"restricted\"""#);
        assert_eq!(text.as_deref(), Some(r#"would violate "restricted""#));
        assert_eq!(warning_text("nonsense"), None);
    }
}
