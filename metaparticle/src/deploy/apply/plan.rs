//! [`plan`]: from what is wanted and what exists to what is done. Pure.

use super::{
    object::{Desired, Key, Live},
    set::Id,
};

/// What is to be done, in order.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Objects that must be gone before anything is written: they are wanted again, but about to go.
    pub(crate) await_gone: Vec<Key>,
    /// Objects to write.
    pub(crate) writes: Vec<Write>,
    /// Members that are no longer wanted.
    pub(crate) prunes: Vec<Live>,
}

/// An object to write.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) desired: Desired,
    /// The object that exists now; the write is refused if another took its place in the meantime.
    pub(crate) live: Option<Live>,
}

/// A name that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Collision {
    pub(crate) key: Key,
    pub(crate) owner: Owner,
}

/// Whose object it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody's in particular: these managers set its fields. May be taken over if asked for.
    Unlabelled(Vec<String>),
    /// Another application's.
    Set(String),
    /// Another object's.
    Controller(String),
}

/// Decides what is done.
///
/// - `live`: the counterparts of `desired` that exist.
/// - `members`: all objects that carry the set's label, of all kinds that the parent records or the program has now.
/// - A Job that is not wanted is an earlier run as long as the program is a job: it stays, and goes by its own TTL.
pub(crate) fn plan(
    id: &Id,
    desired: Vec<Desired>,
    live: &[Live],
    members: Vec<Live>,
    take_ownership: bool,
) -> Result<Plan, Vec<Collision>> {
    let collisions: Vec<Collision> = live
        .iter()
        .filter(|live| !live.deleting)
        .filter_map(|live| collision(id, live, take_ownership))
        .collect();
    if !collisions.is_empty() {
        return Err(collisions);
    }
    let is_job = |key: &Key| key.group_kind.group == "batch" && key.group_kind.kind == "Job";
    let runs_jobs = desired.iter().any(|desired| is_job(&desired.key));
    let wanted = |key: &Key| desired.iter().any(|desired| desired.key == *key);
    let prunes = members
        .into_iter()
        .filter(|member| member.part_of.as_deref() == Some(id.as_str()))
        .filter(|member| !member.deleting && !wanted(&member.key))
        .filter(|member| !(runs_jobs && is_job(&member.key)))
        .collect();
    let mut plan = Plan {
        prunes,
        ..Plan::default()
    };
    for desired in desired {
        let counterpart = live.iter().find(|live| live.key == desired.key);
        if counterpart.is_some_and(|live| live.deleting) {
            plan.await_gone.push(desired.key.clone());
        }
        let live = counterpart.filter(|live| !live.deleting).cloned();
        plan.writes.push(Write { desired, live });
    }
    Ok(plan)
}

fn collision(id: &Id, live: &Live, take_ownership: bool) -> Option<Collision> {
    let owner = match (&live.part_of, &live.controller) {
        (_, Some(controller)) => Owner::Controller(controller.clone()),
        (Some(set), None) if set == id.as_str() => return None,
        (Some(set), None) => Owner::Set(set.clone()),
        (None, None) if take_ownership => return None,
        (None, None) => Owner::Unlabelled(live.managers.clone()),
    };
    Some(Collision {
        key: live.key.clone(),
        owner,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::object::GroupKind, *};

    fn id() -> Id {
        Id::of("web", "shop")
    }

    fn desired(api_version: &str, kind: &str, name: &str) -> Desired {
        let manifest = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
        Desired::new(manifest, "shop", &id())
    }

    fn live(group_kind: &str, name: &str, part_of: Option<&str>) -> Live {
        Live {
            key: Key {
                group_kind: GroupKind::parse(group_kind),
                name: name.into(),
            },
            uid: format!("uid-of-{name}"),
            resource_version: "1".into(),
            part_of: part_of.map(str::to_owned),
            managers: vec!["kubectl".into()],
            controller: None,
            deleting: false,
        }
    }

    fn member(group_kind: &str, name: &str) -> Live {
        live(group_kind, name, Some(id().as_str()))
    }

    fn keys(objects: &[Live]) -> Vec<String> {
        objects.iter().map(|live| live.key.to_string()).collect()
    }

    #[test]
    fn what_does_not_exist_is_written_without_a_counterpart() {
        let plan = plan(
            &id(),
            vec![desired("v1", "Service", "web")],
            &[],
            vec![],
            false,
        )
        .unwrap();
        assert!(plan.writes[0].live.is_none());
    }

    #[test]
    fn a_member_that_is_wanted_is_written_and_one_that_is_not_is_pruned() {
        let service = member("Service", "web");
        let stale = member("Deployment.apps", "web");
        let wanted = vec![desired("v1", "Service", "web")];
        let members = vec![service.clone(), stale];
        let plan = plan(
            &id(),
            wanted,
            std::slice::from_ref(&service),
            members,
            false,
        )
        .unwrap();
        assert_eq!(plan.writes[0].live.as_ref(), Some(&service));
        assert_eq!(keys(&plan.prunes), ["Deployment/web"]);
    }

    #[test]
    fn an_unlabelled_object_of_the_same_name_is_refused_with_its_managers() {
        let taken = live("Service", "web", None);
        let wanted = vec![desired("v1", "Service", "web")];
        let collisions = plan(&id(), wanted, &[taken], vec![], false).unwrap_err();
        assert_eq!(
            collisions[0].owner,
            Owner::Unlabelled(vec!["kubectl".into()])
        );
    }

    #[test]
    fn an_unlabelled_object_is_taken_over_if_asked_for() {
        let taken = live("Service", "web", None);
        let wanted = vec![desired("v1", "Service", "web")];
        let plan = plan(&id(), wanted, &[taken], vec![], true).unwrap();
        assert!(plan.writes[0].live.is_some());
    }

    #[test]
    fn an_object_of_another_set_or_controller_is_refused_even_if_taking_over_is_asked_for() {
        let of_other_set = live("Service", "web", Some("applyset-other-v1"));
        let mut controlled = member("Service", "api");
        controlled.controller = Some("Operator/x".into());
        let wanted = || {
            vec![
                desired("v1", "Service", "web"),
                desired("v1", "Service", "api"),
            ]
        };
        let collisions = plan(&id(), wanted(), &[of_other_set, controlled], vec![], true);
        let owners: Vec<Owner> = collisions
            .unwrap_err()
            .into_iter()
            .map(|c| c.owner)
            .collect();
        assert_eq!(
            owners,
            [
                Owner::Set("applyset-other-v1".into()),
                Owner::Controller("Operator/x".into())
            ]
        );
    }

    #[test]
    fn an_object_about_to_go_is_waited_for_and_then_created_anew() {
        let mut going = member("Service", "web");
        going.deleting = true;
        let wanted = vec![desired("v1", "Service", "web")];
        let plan = plan(&id(), wanted, &[going.clone()], vec![going], false).unwrap();
        assert_eq!(plan.await_gone.len(), 1);
        assert!(plan.writes[0].live.is_none());
        assert!(plan.prunes.is_empty());
    }

    #[test]
    fn earlier_runs_of_a_job_stay_while_the_program_is_a_job() {
        let earlier = member("Job.batch", "web-abcde");
        let wanted = vec![desired("batch/v1", "Job", "web-fghij")];
        let kept = plan(&id(), wanted, &[], vec![earlier.clone()], false).unwrap();
        assert!(kept.prunes.is_empty());
        let service = vec![desired("v1", "Service", "web")];
        let pruned = plan(&id(), service, &[], vec![earlier], false).unwrap();
        assert_eq!(keys(&pruned.prunes), ["Job/web-abcde"]);
    }

    #[test]
    fn an_object_without_our_label_is_never_pruned() {
        let foreign = live("Service", "other", Some("applyset-other-v1"));
        let unlabelled = live("Service", "neighbour", None);
        let plan = plan(&id(), vec![], &[], vec![foreign, unlabelled], true).unwrap();
        assert!(plan.prunes.is_empty());
    }
}
