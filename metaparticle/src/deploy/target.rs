//! [`Chosen`]: which cluster and namespace a command is for. Nothing is ever done to a context that was not named: then
//! the embedded cluster is the target, and no kubeconfig is read.
//!
//! The kubeconfig is read once, by the rules of kubectl (`KUBECONFIG`, else `~/.kube/config`, merged), and pinned.
//! Its current context is never used, nor is the configuration inside a pod.

use std::{io, path::PathBuf};

use kube::config::{Kubeconfig, KubeconfigError};
use metaparticle_spec::AppSpec;
use miette::Diagnostic;
use thiserror::Error;

use super::command;

/// A context that somebody named, found in the kubeconfig.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The kubeconfig as it was read, once.
    pub kubeconfig: Kubeconfig,
    /// Name of the context.
    pub context: String,
    /// URL of the API server.
    pub server: String,
    /// Namespace of all objects.
    pub namespace: String,
    /// Who named the context, as half a sentence.
    pub why: &'static str,
    /// The proxy that the kubeconfig names for the cluster.
    pub proxy: Option<String>,
}

/// Where a command goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// The cluster in this process, or in another one of the same program.
    Embedded {
        /// Namespace of all objects.
        namespace: String,
    },
    /// A context that somebody named.
    Named(Box<Chosen>),
}

/// No target, or one that is not there. Nothing was changed.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// Nobody named a context.
    #[error("no target is named, so nothing was done")]
    #[diagnostic(help("{}", how_to_name(contexts)))]
    Unnamed {
        /// The contexts of the kubeconfig.
        contexts: Vec<String>,
    },
    /// The kubeconfig has no such context.
    #[error("the kubeconfig has no context `{context}`, which {why}")]
    #[diagnostic(help("{}", unknown_help(context, contexts)))]
    Unknown {
        /// The name that was given.
        context: String,
        /// Who gave it.
        why: &'static str,
        /// The contexts of the kubeconfig.
        contexts: Vec<String>,
    },
    /// The context has no server.
    #[error("context `{context}` names cluster `{cluster}`, which has no server in the kubeconfig")]
    #[diagnostic(help(
        "repair the kubeconfig: `kubectl config set-cluster {cluster} --server=URL`"
    ))]
    NoServer {
        /// The context.
        context: String,
        /// The cluster that it names.
        cluster: String,
    },
    /// The kubeconfig cannot be read.
    #[error("cannot read the kubeconfig: {0}")]
    #[diagnostic(help(
        "it is looked for in the files that KUBECONFIG lists, else in ~/.kube/config"
    ))]
    // Its Display contains its cause, so the cause is not a source here.
    Kubeconfig(String),
}

/// What a command line and the environment say about the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    context: Option<(String, &'static str)>,
    namespace: Option<String>,
}

impl Named {
    /// Flags go before the environment, the environment before the attribute.
    #[must_use]
    pub fn new(
        flags: &command::Target,
        env: impl Fn(&str) -> Option<String>,
        spec: &AppSpec,
    ) -> Self {
        let env = |name| env(name).filter(|value| !value.is_empty());
        let context = flags
            .context
            .clone()
            .map(|context| (context, "--context names"))
            .or_else(|| {
                env("METAPARTICLE_CONTEXT").map(|context| (context, "METAPARTICLE_CONTEXT names"))
            })
            .or_else(|| {
                let context = spec.context.clone();
                context.map(|context| (context, "the attribute on `main` names"))
            });
        let from_env = env("METAPARTICLE_NAMESPACE");
        let namespace = flags
            .namespace
            .as_ref()
            .or(spec.namespace.as_ref().filter(|_| from_env.is_none()))
            .map(ToString::to_string)
            .or(from_env);
        Self { context, namespace }
    }

    /// Finds the named context in the kubeconfig of this machine; without one, the embedded cluster.
    ///
    /// # Errors
    /// [`enum@Error`] if the kubeconfig cannot be read or has no such context, or if no context is named and this
    /// program was built without the embedded cluster.
    pub fn choose(self) -> Result<Target, Error> {
        if cfg!(feature = "local") && self.context.is_none() {
            let namespace = self.namespace.unwrap_or_else(|| "default".to_owned());
            return Ok(Target::Embedded { namespace });
        }
        match read() {
            Ok(kubeconfig) => self.choose_from(kubeconfig),
            // Without a context and without a file, the first thing to say is that one must be named.
            Err(KubeconfigError::FindPath) if self.context.is_none() => {
                self.choose_from(Kubeconfig::default())
            }
            Err(KubeconfigError::ReadConfig(cause, _))
                if self.context.is_none() && cause.kind() == io::ErrorKind::NotFound =>
            {
                self.choose_from(Kubeconfig::default())
            }
            Err(error) => Err(Error::Kubeconfig(unreadable(error))),
        }
        .map(|chosen| Target::Named(Box::new(chosen)))
    }

    fn choose_from(self, kubeconfig: Kubeconfig) -> Result<Chosen, Error> {
        let contexts = || {
            let names = kubeconfig.contexts.iter();
            names.map(|context| context.name.clone()).collect()
        };
        let Some((name, why)) = self.context else {
            return Err(Error::Unnamed {
                contexts: contexts(),
            });
        };
        let context = kubeconfig
            .contexts
            .iter()
            .find(|context| context.name == name)
            .and_then(|context| context.context.as_ref())
            .ok_or_else(|| Error::Unknown {
                context: name.clone(),
                why,
                contexts: contexts(),
            })?;
        let cluster = kubeconfig
            .clusters
            .iter()
            .find(|cluster| cluster.name == context.cluster)
            .and_then(|cluster| cluster.cluster.clone())
            .unwrap_or_default();
        let server = cluster
            .server
            .filter(|server| !server.is_empty())
            .ok_or_else(|| Error::NoServer {
                context: name.clone(),
                cluster: context.cluster.clone(),
            })?;
        let namespace = self
            .namespace
            .or_else(|| context.namespace.clone().filter(|name| !name.is_empty()))
            .unwrap_or_else(|| "default".to_owned());
        Ok(Chosen {
            context: name,
            server,
            namespace,
            why,
            proxy: cluster.proxy_url,
            kubeconfig,
        })
    }
}

impl Chosen {
    /// Whether the API server is on this machine, as far as its URL and the names of the usual tools tell.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let host = self.server.parse::<http::Uri>();
        let host = host.ok().and_then(|uri| uri.host().map(str::to_owned));
        let host = host.unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let loopback = host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
        loopback
            || host == "localhost"
            || host.ends_with(".localhost")
            || host == "kubernetes.docker.internal"
            || self.context == "minikube"
    }
}

fn how_to_name(contexts: &[String]) -> String {
    let example = contexts.first().map_or("NAME", String::as_str);
    format!(
        "{}; name one with METAPARTICLE_CONTEXT={example}, `-- metaparticle up --context {example}` or \
         `#[containerize(context = \"{example}\")]`",
        list(contexts)
    )
}

fn unknown_help(context: &str, contexts: &[String]) -> String {
    match similar(context, contexts) {
        Some(similar) => format!("did you mean `{similar}`? {}", list(contexts)),
        None => list(contexts),
    }
}

fn list(contexts: &[String]) -> String {
    if contexts.is_empty() {
        return "the kubeconfig (KUBECONFIG, else ~/.kube/config) has no contexts".to_owned();
    }
    let names: Vec<String> = contexts.iter().map(|name| format!("`{name}`")).collect();
    format!("the kubeconfig has the contexts {}", names.join(", "))
}

fn similar<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    let scored = known
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), known));
    scored
        .filter(|(score, _)| *score > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// The kubeconfig by kubectl's rules: of the list in `KUBECONFIG` the files that exist, merged; else `~/.kube/config`.
fn read() -> Result<Kubeconfig, KubeconfigError> {
    let list = std::env::var_os("KUBECONFIG").unwrap_or_default();
    merged(std::env::split_paths(&list).filter(|path| path.is_file()))
        .unwrap_or_else(Kubeconfig::read)
}

/// `None` without any file.
fn merged(files: impl Iterator<Item = PathBuf>) -> Option<Result<Kubeconfig, KubeconfigError>> {
    files
        .map(Kubeconfig::read_from)
        .reduce(|all, next| all?.merge(next?))
}

fn unreadable(error: KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(cause, path) => format!("{}: {cause}", path.display()),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = "
current-context: production
contexts:
- {name: production, context: {cluster: far, user: me, namespace: shop}}
- {name: kind-dev, context: {cluster: near, user: me}}
- {name: broken, context: {cluster: nowhere, user: me}}
clusters:
- {name: far, cluster: {server: 'https://api.example.com'}}
- {name: near, cluster: {server: 'https://127.0.0.1:6443'}}
users:
- {name: me, user: {}}
";

    fn choose(context: Option<&str>, namespace: Option<&str>) -> Result<Chosen, Error> {
        let named = Named {
            context: context.map(|context| (context.to_owned(), "--context names")),
            namespace: namespace.map(str::to_owned),
        };
        named.choose_from(Kubeconfig::from_yaml(KUBECONFIG).unwrap())
    }

    fn help(error: &Error) -> String {
        error.help().unwrap().to_string()
    }

    #[test]
    fn files_are_merged_and_the_first_wins() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, namespace: &str| {
            let path = folder.path().join(name);
            let context = format!("{{cluster: far, user: me, namespace: {namespace}}}");
            let text = format!(
                "contexts:\n- {{name: shared, context: {context}}}\n- {{name: {name}, context: {context}}}\n"
            );
            std::fs::write(&path, text).unwrap();
            path
        };
        let files = [file("one", "first"), file("two", "second")];
        let merged = merged(files.into_iter()).unwrap().unwrap();
        let names: Vec<_> = merged
            .contexts
            .iter()
            .map(|context| &context.name)
            .collect();
        assert_eq!(names, ["shared", "one", "two"]);
        let shared = merged.contexts[0].context.as_ref().unwrap();
        assert_eq!(shared.namespace.as_deref(), Some("first"));
    }

    #[test]
    fn the_current_context_is_never_used() {
        let error = choose(None, None).unwrap_err();
        assert!(matches!(&error, Error::Unnamed { contexts } if contexts.len() == 3));
        assert!(help(&error).contains("`production`, `kind-dev`"));
    }

    #[test]
    fn an_unknown_context_is_refused_with_a_similar_one() {
        let error = choose(Some("kind-dve"), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the kubeconfig has no context `kind-dve`, which --context names"
        );
        assert!(help(&error).starts_with("did you mean `kind-dev`?"));
    }

    #[test]
    fn a_context_without_a_server_is_refused() {
        let error = choose(Some("broken"), None).unwrap_err();
        assert!(matches!(error, Error::NoServer { .. }), "{error}");
    }

    #[test]
    fn a_named_namespace_goes_before_the_contexts_and_that_before_default() {
        let namespace = |context, namespace| choose(Some(context), namespace).unwrap().namespace;
        assert_eq!(namespace("production", Some("mine")), "mine");
        assert_eq!(namespace("production", None), "shop");
        assert_eq!(namespace("kind-dev", None), "default");
    }

    #[test]
    fn loopback_is_local_and_a_domain_is_not() {
        assert!(choose(Some("kind-dev"), None).unwrap().is_local());
        assert!(!choose(Some("production"), None).unwrap().is_local());
    }

    #[test]
    fn flags_go_before_the_environment_and_that_before_the_attribute() {
        let mut spec = super::super::fixture::spec("web");
        spec.context = Some("attribute".into());
        let flags = |context: Option<&str>| command::Target {
            context: context.map(str::to_owned),
            ..command::Target::default()
        };
        let env = |name: &str| (name == "METAPARTICLE_CONTEXT").then(|| "env".to_owned());
        let context = |named: Named| named.context.unwrap().0;
        assert_eq!(
            context(Named::new(&flags(Some("flag")), env, &spec)),
            "flag"
        );
        assert_eq!(context(Named::new(&flags(None), env, &spec)), "env");
        let unset = |_: &str| Some(String::new());
        assert_eq!(context(Named::new(&flags(None), unset, &spec)), "attribute");
    }
}
