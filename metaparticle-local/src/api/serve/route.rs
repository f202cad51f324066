//! Paths: what a request is for.

use bytes::Bytes;
use http::Request;

use super::super::{failure::Failure, resource::Resource};

/// What a path stands for.
#[derive(Debug)]
pub(super) enum Route {
    /// A fixed short text: health.
    Text(&'static str),
    /// Nothing of Kubernetes.
    NoPath,
    /// Which kinds there are.
    Discovery(Discovery),
    /// Below `/openapi`.
    OpenApi(String),
    /// Objects.
    Resource(Target),
}

/// Documents that say what is served.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Discovery {
    /// `/`.
    Root,
    /// `/version`.
    Version,
    /// `/api`.
    Core,
    /// `/apis`.
    Groups,
    /// `/apis/apps`.
    Group(String),
    /// `/api/v1`, `/apis/apps/v1`.
    Version1(String, String),
}

/// An object, a collection, or a part of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) resource: &'static Resource,
    /// None: all namespaces, or a cluster-wide kind.
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
    /// Whether the path itself asks for a watch, as it did before `?watch=1`.
    pub(super) watch: bool,
}

impl Target {
    /// The namespace, empty for cluster-wide kinds.
    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// Whether the path names everything that a write needs.
    pub(super) fn is_complete(&self) -> bool {
        self.resource.namespaced == self.namespace.is_some()
    }
}

pub(super) fn route(request: &Request<Bytes>) -> Result<Route, Failure> {
    let path = request.uri().path();
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| {
            percent_encoding::percent_decode_str(part)
                .decode_utf8_lossy()
                .into_owned()
        })
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let owned = |text: &str| text.to_owned();
    Ok(match parts.as_slice() {
        [] => Route::Discovery(Discovery::Root),
        ["version"] => Route::Discovery(Discovery::Version),
        ["healthz" | "livez" | "readyz"] => Route::Text("ok"),
        ["openapi", ..] => Route::OpenApi(path.to_owned()),
        ["api"] => Route::Discovery(Discovery::Core),
        ["apis"] => Route::Discovery(Discovery::Groups),
        ["api", version] => Route::Discovery(Discovery::Version1(String::new(), owned(version))),
        ["apis", group] => Route::Discovery(Discovery::Group(owned(group))),
        ["apis", group, version] => {
            Route::Discovery(Discovery::Version1(owned(group), owned(version)))
        }
        ["api", version, "watch", rest @ ..] => watched("", version, rest)?,
        ["apis", group, version, "watch", rest @ ..] => watched(group, version, rest)?,
        ["api", version, rest @ ..] => Route::Resource(target("", version, rest)?),
        ["apis", group, version, rest @ ..] => Route::Resource(target(group, version, rest)?),
        _ => Route::NoPath,
    })
}

fn watched(group: &str, version: &str, rest: &[&str]) -> Result<Route, Failure> {
    let target = target(group, version, rest)?;
    Ok(Route::Resource(Target {
        watch: true,
        ..target
    }))
}

fn target(group: &str, version: &str, rest: &[&str]) -> Result<Target, Failure> {
    let find = |plural: &str| Resource::find(group, version, plural);
    let owned = |text: &&str| Some((*text).to_owned());
    let target = |resource, namespace, name, subresource| Target {
        resource,
        namespace,
        name,
        subresource,
        watch: false,
    };
    let cluster = |plural: &str| find(plural).filter(|it| !it.namespaced);
    let namespaced = |plural: &str| find(plural).filter(|it| it.namespaced);
    let found = match rest {
        ["namespaces", namespace, plural] if namespaced(plural).is_some() => {
            namespaced(plural).map(|it| target(it, owned(namespace), None, None))
        }
        ["namespaces", namespace, plural, name] if namespaced(plural).is_some() => {
            namespaced(plural).map(|it| target(it, owned(namespace), owned(name), None))
        }
        ["namespaces", namespace, plural, name, sub] if namespaced(plural).is_some() => {
            namespaced(plural).map(|it| target(it, owned(namespace), owned(name), owned(sub)))
        }
        [plural] => find(plural).map(|it| target(it, None, None, None)),
        [plural, name] => cluster(plural).map(|it| target(it, None, owned(name), None)),
        [plural, name, sub] => cluster(plural).map(|it| target(it, None, owned(name), owned(sub))),
        _ => None,
    };
    found.ok_or_else(|| match group {
        "admissionregistration.k8s.io" => Failure::no_admission_policies(),
        _ => Failure::no_such_path(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Result<Target, u16> {
        let request = Request::builder().uri(path).body(Bytes::new()).unwrap();
        match route(&request) {
            Ok(Route::Resource(target)) => Ok(target),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => Err(failure.code),
        }
    }

    #[test]
    fn a_namespace_is_an_object_and_a_place() {
        let object = of("/api/v1/namespaces/a").unwrap();
        assert_eq!(
            (object.resource.kind, object.name.as_deref()),
            ("Namespace", Some("a"))
        );
        let place = of("/api/v1/namespaces/a/pods").unwrap();
        assert_eq!((place.resource.kind, place.namespace()), ("Pod", "a"));
        let part = of("/api/v1/namespaces/a/status").unwrap();
        assert_eq!(
            (part.resource.kind, part.subresource.as_deref()),
            ("Namespace", Some("status"))
        );
    }

    #[test]
    fn a_slash_in_a_name_does_not_make_a_longer_path() {
        let pod = of("/api/v1/namespaces/a/pods/x%2Fstatus").unwrap();
        assert_eq!(
            (pod.name.as_deref(), pod.subresource),
            (Some("x/status"), None)
        );
    }

    #[test]
    fn what_is_not_served_is_not_found() {
        assert_eq!(of("/apis/apps/v1beta1/deployments"), Err(404));
        assert_eq!(of("/api/v1/namespaces/a/pods/b/c/d"), Err(404));
        assert_eq!(of("/api/v1/pods/x"), Err(404));
    }

    #[test]
    fn admission_policies_are_said_to_be_for_real_clusters() {
        let path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/fencing";
        let request = Request::builder().uri(path).body(Bytes::new()).unwrap();
        let Err(failure) = route(&request) else {
            panic!("it is served");
        };
        assert_eq!(failure.code, 404);
        assert!(
            failure.message.contains("no admission policies"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn an_old_path_asks_for_a_watch() {
        let pods = of("/api/v1/watch/namespaces/a/pods").unwrap();
        assert!(pods.watch && pods.namespace() == "a");
        assert!(!of("/api/v1/namespaces/a/pods").unwrap().watch);
    }
}
