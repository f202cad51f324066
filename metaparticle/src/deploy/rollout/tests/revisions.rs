//! Whose pods count, and when a rollout is done.

use k8s_openapi::serde_json::json;

use super::world::{World, container, crashed, ready, waiting, words};
use crate::deploy::rollout::{Cause, judge, overdue};

#[test]
fn a_deployment_is_done_when_all_pods_are_new_and_available() {
    assert!(World::deployment(4, [4, 4, 4]).is_done());
}

#[test]
fn a_status_of_the_earlier_generation_proves_nothing() {
    let status = json!({"observedGeneration": 1, "replicas": 4, "updatedReplicas": 4, "availableReplicas": 4});
    let world = World::deployment_from(json!({"replicas": 4}), status);
    assert!(world.goes_on());
}

#[test]
fn a_deployment_without_status_goes_on() {
    let world = World::deployment_from(json!({"replicas": 4}), json!({}));
    assert!(world.goes_on());
}

#[test]
fn surging_pods_of_the_earlier_revision_have_to_go_first() {
    let world = World::deployment(4, [5, 4, 5]);
    assert!(world.goes_on());
    assert_eq!(
        judge(&world.0).progress.waiting_for.as_deref(),
        Some("1 pods of the earlier revision are to go")
    );
}

#[test]
fn ready_pods_that_are_not_available_yet_do_not_complete_it() {
    assert!(World::deployment(4, [4, 4, 3]).goes_on());
}

#[test]
fn a_deployment_of_no_replicas_is_done() {
    assert!(World::deployment(0, [0, 0, 0]).is_done());
}

#[test]
fn progress_counts_pods_of_the_new_revision_only() {
    let world = World::deployment(4, [5, 2, 5])
        .replica_set("web-1", "1", json!({"readyReplicas": 4}))
        .pod("old", "web-1", ready())
        .pod("new", "web-2", ready());
    let progress = judge(&world.0).progress;
    assert_eq!((progress.ready, progress.wanted), (1, 4));
    assert_eq!(progress.pods, [("new".to_owned(), "Ready".to_owned())]);
}

#[test]
fn a_crashing_pod_of_the_earlier_revision_fails_nothing() {
    let world = World::deployment(4, [5, 2, 3]).pod("old", "web-1", crashed(7, 1, "Error"));
    assert!(world.goes_on());
}

#[test]
fn a_crashing_pod_of_the_new_revision_fails_it() {
    let world = World::deployment(4, [5, 2, 3]).pod("new", "web-2", crashed(1, 1, "Error"));
    assert_eq!(world.failure().pod.as_deref(), Some("new"));
}

#[test]
fn pods_of_a_stranger_with_the_same_labels_fail_nothing() {
    let world = World::deployment(4, [5, 2, 3]).pod("x", "stranger", crashed(1, 1, "Error"));
    assert!(world.goes_on());
}

#[test]
fn a_revision_that_is_not_observed_is_not_looked_for_in_the_earlier_one() {
    let status = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1});
    let world = World::deployment_from(json!({"replicas": 1}), status).pod(
        "earlier",
        "web-2",
        crashed(9, 1, "Error"),
    );
    assert!(world.goes_on());
    assert!(judge(&world.0).progress.pods.is_empty());
    assert!(words(&overdue(&world.0)).contains("the controller has not seen the change yet"));
}

#[test]
fn a_pod_on_its_way_out_fails_nothing() {
    let mut world = World::deployment(4, [5, 2, 3]).pod("new", "web-2", crashed(1, 1, "Error"));
    let pod = world.0.pods.get_mut("new").unwrap();
    let now = serde_json::from_value(json!("2026-01-01T00:00:00Z"));
    pod.metadata.deletion_timestamp = now.unwrap();
    assert!(world.goes_on());
}

#[test]
fn a_paused_deployment_cannot_complete() {
    let status = json!({"observedGeneration": 2, "replicas": 4, "updatedReplicas": 0, "availableReplicas": 4});
    let spec = json!({"replicas": 4, "paused": true});
    let world = World::deployment_from(spec, status);
    assert_eq!(world.failure().cause, Cause::Paused);
}

#[test]
fn a_paused_deployment_that_is_complete_is_done() {
    let status = json!({"observedGeneration": 2, "replicas": 4, "updatedReplicas": 4, "availableReplicas": 4});
    let spec = json!({"replicas": 4, "paused": true});
    assert!(World::deployment_from(spec, status).is_done());
}

#[test]
fn the_progress_deadline_of_the_deployment_ends_it() {
    let status = json!({
        "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1,
        "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
    });
    let world = World::deployment_from(json!({"replicas": 1}), status);
    assert!(words(&world.failure()).contains("0 of 1 pods are available"));
    let world = world.pod(
        "new",
        "web-2",
        container(0, &json!({"running": {}}), &json!({})),
    );
    assert!(matches!(world.failure().cause, Cause::NotReady { .. }));
}

#[test]
fn a_stateful_set_is_done_when_all_pods_are_of_its_update_revision() {
    let status = json!({
        "observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
        "currentRevision": "new", "updateRevision": "new",
    });
    assert!(World::stateful_set(3, status).is_done());
}

#[test]
fn a_stateful_set_in_the_middle_of_its_update_goes_on() {
    let status = json!({
        "observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "readyReplicas": 3, "availableReplicas": 3,
        "currentRevision": "old", "updateRevision": "new",
    });
    assert!(World::stateful_set(3, status).goes_on());
}

#[test]
fn a_stateful_set_of_the_earlier_generation_proves_nothing() {
    let status = json!({
        "observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
    });
    assert!(World::stateful_set(3, status).goes_on());
}

#[test]
fn a_shard_of_the_earlier_revision_fails_nothing() {
    let status = json!({"observedGeneration": 2, "replicas": 1, "updateRevision": "new"});
    let mut world = World::stateful_set(1, status).pod("users-0", "set", crashed(3, 1, "Error"));
    assert_eq!(world.failure().pod.as_deref(), Some("users-0"));
    let pod = world.0.pods.get_mut("users-0").unwrap();
    pod.metadata.labels = Some([("controller-revision-hash".into(), "old".into())].into());
    assert!(world.goes_on());
}

#[test]
fn a_job_is_done_when_its_condition_says_so() {
    let spec = json!({"completions": 4});
    let world = World::job(spec.clone(), json!({"succeeded": 4}));
    assert!(world.goes_on(), "its finalizers are not through");
    let status = json!({"succeeded": 4, "conditions": [{"type": "Complete", "status": "True"}]});
    assert!(World::job(spec, status).is_done());
}

#[test]
fn a_job_tries_again_by_itself() {
    let world = World::job(json!({"completions": 1}), json!({"failed": 2})).pod(
        "batch-0",
        "job",
        crashed(3, 1, "Error"),
    );
    assert!(world.goes_on());
}

#[test]
fn a_pod_of_a_job_that_failed_says_how() {
    let mut status = container(
        0,
        &json!({"terminated": {"exitCode": 3, "reason": "Error"}}),
        &json!({}),
    );
    status["phase"] = "Failed".into();
    let world = World::job(json!({}), json!({})).pod("batch-0", "job", status);
    let line = (
        "batch-0".to_owned(),
        "Failed: it ended with exit code 3".to_owned(),
    );
    assert_eq!(judge(&world.0).progress.pods, [line]);
}

#[test]
fn a_job_whose_image_cannot_be_pulled_fails() {
    let status = waiting(
        "ErrImagePull",
        "rpc error: code = NotFound desc = not found",
    );
    let world = World::job(json!({}), json!({})).pod("batch-0", "job", status);
    assert!(matches!(world.failure().cause, Cause::ImagePull { .. }));
}

#[test]
fn a_job_whose_programs_run_is_at_work() {
    let running = container(0, &json!({"running": {}}), &json!({}));
    let world = World::job(json!({}), json!({})).pod("batch-0", "job", running);
    assert!(judge(&world.0).progress.at_work);
    let pulling = container(
        0,
        &json!({"waiting": {"reason": "ContainerCreating"}}),
        &json!({}),
    );
    let world = World::job(json!({}), json!({})).pod("batch-0", "job", pulling);
    assert!(!judge(&world.0).progress.at_work);
}

#[test]
fn a_suspended_job_waits_for_whoever_suspended_it() {
    let world = World::job(json!({"suspend": true}), json!({}));
    assert_eq!(world.suspicion().0.cause, Cause::Suspended);
}

#[test]
fn time_over_without_a_visible_reason_says_what_was_awaited() {
    let world = World::deployment(4, [2, 2, 2]);
    assert_eq!(
        words(&overdue(&world.0)),
        "Deployment/web failed: it was not ready in time: 2 of 4 pods are of the new revision"
    );
}
