//! [`Error`]: why objects could not be applied or deleted, from what the API server answered.

use std::fmt::Write as _;

use kube::core::Status;
use miette::Diagnostic;
use thiserror::Error;

use super::{
    object::Key,
    plan::{Collision, Owner},
};
use crate::deploy::cluster;

/// Why objects could not be applied or deleted.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// The namespace is not there.
    #[error("namespace `{namespace}` does not exist in context `{context}`")]
    #[diagnostic(help(
        "name another with --namespace, or have it created with `-- metaparticle up --create-namespace`"
    ))]
    NoNamespace {
        /// The namespace.
        namespace: String,
        /// The context.
        context: String,
    },
    /// The namespace is about to go.
    #[error("namespace `{namespace}` is being deleted")]
    #[diagnostic(help("wait until it is gone, or name another with --namespace"))]
    NamespaceGoing {
        /// The namespace.
        namespace: String,
    },
    /// Names are taken by others' objects. Nothing was written.
    #[error("{objects}, so nothing was changed")]
    #[diagnostic(help("{help}"))]
    Collision {
        /// Which objects, and whose they are.
        objects: String,
        /// What to do.
        help: String,
    },
    /// The application's set is looked after by another tool.
    #[error("ConfigMap/{parent} says that `{tooling}` looks after the objects of this application")]
    #[diagnostic(help("choose another `name`, or delete them with that tool"))]
    OtherTool {
        /// The parent of the set.
        parent: String,
        /// What its annotation says.
        tooling: String,
    },
    /// Fields belong to other managers.
    #[error("{object} has fields that others set: {fields}")]
    #[diagnostic(help(
        "let the other manager give the field up, or take it over with `-- metaparticle up --take-ownership`"
    ))]
    FieldConflict {
        /// The object.
        object: String,
        /// Fields with their managers.
        fields: String,
    },
    /// A field of an existing object cannot change.
    #[error("{object} exists, and Kubernetes does not let these fields change: {fields}")]
    #[diagnostic(help(
        "undo the change, or run `-- metaparticle down` and deploy again: the program is away in between"
    ))]
    Immutable {
        /// The object.
        object: String,
        /// The fields, with the server's words.
        fields: String,
    },
    /// Somebody replaced the object in the meantime.
    #[error("{object} was replaced by somebody else while it was being written")]
    #[diagnostic(help("run again"))]
    Replaced {
        /// The object.
        object: String,
    },
    /// Objects did not go.
    #[error("{objects} did not go within {seconds} s")]
    #[diagnostic(help(
        "a finalizer or an unreachable node may hold them; run again, or look with `kubectl describe`"
    ))]
    StillThere {
        /// The objects.
        objects: String,
        /// How long they were waited for.
        seconds: u64,
    },
    /// The cluster has no admission policies: the embedded one, or an old one.
    #[error(
        "context `{context}` has no admission policies, so that `coordination(policy)` cannot be had there"
    )]
    #[diagnostic(help(
        "deploy to a cluster of Kubernetes 1.30 or newer with METAPARTICLE_CONTEXT, or write `coordination` alone: \
         updates and deletions of the fenced client need no policy"
    ))]
    NoPolicies {
        /// The context.
        context: String,
    },
    /// An object of the whole cluster may not be read or written by who deploys.
    #[error(
        "{object} is an object of the whole cluster, and this account may not look at it or write it"
    )]
    #[diagnostic(help(
        "one for all applications is enough: let an administrator apply the two ValidatingAdmissionPolicy objects that \
         `-- metaparticle render` prints, and grant `list` on them, or write `coordination` alone"
    ))]
    SharedForbidden {
        /// The object.
        object: String,
        /// What the server said.
        #[source]
        source: cluster::Error,
    },
    /// The API server could not be asked, or refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(#[from] cluster::Error),
}

impl Error {
    /// From a refused write of an object.
    pub(super) fn of_write(key: &Key, error: cluster::Error) -> Self {
        let object = key.to_string();
        match error.status() {
            Some(status) if status.is_conflict() => match conflicting_fields(status) {
                Some(fields) => Self::FieldConflict { object, fields },
                None => Self::Replaced { object },
            },
            // The precondition of our writes, in the words of an object that exists and is another.
            Some(status) if names_field(status, "metadata.uid") => Self::Replaced { object },
            Some(status) if status.is_invalid() => match immutable_fields(status) {
                Some(fields) => Self::Immutable { object, fields },
                None => error.into(),
            },
            _ => error.into(),
        }
    }

    /// From names that are taken.
    pub(super) fn of_collisions(collisions: &[Collision]) -> Self {
        let mut objects = String::new();
        for (index, Collision { key, owner }) in collisions.iter().enumerate() {
            let and = if index == 0 { "" } else { "; " };
            let _ = match owner {
                Owner::Unlabelled(managers) => write!(
                    objects,
                    "{and}{key} exists and does not belong to this application (managed by {})",
                    quoted(managers)
                ),
                Owner::Set(set) => {
                    write!(
                        objects,
                        "{and}{key} exists and belongs to another ApplySet, `{set}`"
                    )
                }
                Owner::Controller(controller) => {
                    write!(
                        objects,
                        "{and}{key} exists and is controlled by {controller}"
                    )
                }
            };
        }
        let may_take = collisions
            .iter()
            .all(|collision| matches!(collision.owner, Owner::Unlabelled(_)));
        let mut help = "choose another `name`, or another namespace with --namespace".to_owned();
        if may_take {
            help += "; or take the object over with `-- metaparticle up --take-ownership` (`down` then deletes it)";
        }
        Self::Collision { objects, help }
    }
}

fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "an unknown manager".into();
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// `.spec.replicas (set by "kubectl" with subresource "scale")`, of a conflict of server-side apply.
fn conflicting_fields(status: &Status) -> Option<String> {
    let causes = &status.details.as_ref()?.causes;
    let fields: Vec<String> = causes
        .iter()
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| {
            let manager = cause.message.strip_prefix("conflict with ");
            let manager = manager.unwrap_or(&cause.message);
            let manager = manager
                .split_once(" using ")
                .map_or(manager, |(name, _)| name);
            format!("`{}` (set by {manager})", cause.field)
        })
        .collect();
    (!fields.is_empty()).then(|| fields.join(", "))
}

fn names_field(status: &Status, field: &str) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    causes.any(|cause| cause.field == field)
}

/// Fields that the server calls immutable.
fn immutable_fields(status: &Status) -> Option<String> {
    let causes = &status.details.as_ref()?.causes;
    let fields: Vec<String> = causes
        .iter()
        .filter(|cause| {
            cause.message.contains("field is immutable")
                || cause
                    .message
                    .contains("updates to statefulset spec for fields other than")
        })
        .map(|cause| {
            // The message repeats the whole new value; the field says enough.
            if cause.message.contains("field is immutable") {
                format!("`{}`", cause.field)
            } else {
                let message = cause.message.strip_prefix("Forbidden: ");
                format!("`{}` ({})", cause.field, message.unwrap_or(&cause.message))
            }
        })
        .collect();
    (!fields.is_empty()).then(|| fields.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::object::GroupKind, *};

    fn key() -> Key {
        Key {
            group_kind: GroupKind::parse("Deployment.apps"),
            name: "web".into(),
        }
    }

    fn of_write(status: serde_json::Value) -> Error {
        let status = serde_json::from_value(status).unwrap();
        let error = cluster::Error::Refused {
            doing: "apply Deployment/web".into(),
            status: Box::new(status),
        };
        Error::of_write(&key(), error)
    }

    #[test]
    fn a_field_of_another_manager_is_named_with_it() {
        let error = of_write(json!({
            "code": 409, "reason": "Conflict", "message": "Apply failed with 1 conflict",
            "details": {"causes": [{
                "reason": "FieldManagerConflict",
                "message": "conflict with \"kubectl\" with subresource \"scale\" using apps/v1",
                "field": ".spec.replicas",
            }]},
        }));
        assert_eq!(
            error.to_string(),
            "Deployment/web has fields that others set: `.spec.replicas` (set by \"kubectl\" with subresource \
             \"scale\")"
        );
    }

    #[test]
    fn an_immutable_field_is_named() {
        let error = of_write(json!({
            "code": 422, "reason": "Invalid", "message": "Deployment.apps \"web\" is invalid: …",
            "details": {"causes": [{
                "reason": "FieldValueInvalid",
                "message": "Invalid value: {\"matchLabels\":{\"a\":\"b\"}}: field is immutable",
                "field": "spec.selector",
            }]},
        }));
        assert!(
            matches!(&error, Error::Immutable { fields, .. } if fields == "`spec.selector`"),
            "{error}"
        );
    }

    #[test]
    fn another_identity_is_a_replacement() {
        let gone = of_write(json!({
            "code": 409, "reason": "Conflict",
            "message": "uid mismatch: the provided object specified uid 1, and no existing object was found",
        }));
        let another = of_write(json!({
            "code": 422, "reason": "Invalid", "message": "Service \"web\" is invalid",
            "details": {"causes": [{
                "reason": "FieldValueInvalid",
                "message": "Invalid value: \"1\": field is immutable",
                "field": "metadata.uid",
            }]},
        }));
        for error in [gone, another] {
            assert!(matches!(error, Error::Replaced { .. }), "{error}");
        }
    }

    #[test]
    fn other_invalid_values_keep_the_servers_words() {
        let error =
            of_write(json!({"code": 422, "reason": "Invalid", "message": "spec.x: too long"}));
        assert!(error.to_string().ends_with("spec.x: too long"), "{error}");
    }

    #[test]
    fn taking_over_is_offered_only_where_it_is_possible() {
        let of = |owner| {
            Error::of_collisions(&[Collision { key: key(), owner }])
                .help()
                .unwrap()
                .to_string()
        };
        assert!(of(Owner::Unlabelled(vec![])).contains("--take-ownership"));
        assert!(!of(Owner::Set("x".into())).contains("--take-ownership"));
    }
}
