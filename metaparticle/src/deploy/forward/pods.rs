//! [`Ready`]: the pods that take connections, in turn.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{Error, ResourceExt as _};
use tokio::sync::watch;

use crate::deploy::mirror::{Update, Updates};

/// The names of the ready pods. Clones share the turn.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    names: watch::Receiver<Vec<String>>,
    turn: Arc<AtomicUsize>,
}

impl Ready {
    pub(super) fn new(names: watch::Receiver<Vec<String>>) -> Self {
        Self {
            names,
            turn: Arc::default(),
        }
    }

    /// The next ready pod in turn that is none of `tried`.
    pub(super) fn next(&self, tried: &[String]) -> Option<String> {
        let names = self.names.borrow();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..names.len())
            .map(|offset| &names[turn.wrapping_add(offset) % names.len()])
            .find(|name| !tried.contains(name))
            .cloned()
    }

    /// Waits until the ready pods change.
    ///
    /// # Cancel safety
    /// Cancel safe: a change is seen by the next call.
    pub(super) async fn changed(&mut self) {
        if self.names.changed().await.is_err() {
            std::future::pending::<()>().await; // nobody watches any more; the caller has a deadline
        }
    }
}

/// Keeps the list of ready pods current.
///
/// # Errors
/// The API server's answer if it does not let us see them.
///
/// # Cancel safety
/// Cancel safe; dropping the future ends the watch.
pub(super) async fn keep(
    mut updates: Updates<Pod>,
    names: &watch::Sender<Vec<String>>,
) -> Result<(), Error> {
    let mut pods: BTreeMap<String, bool> = BTreeMap::new();
    while let Some(update) = updates.next().await {
        match update? {
            Update::Reset(all) => {
                pods = all
                    .iter()
                    .map(|pod| (pod.name_any(), is_ready(pod)))
                    .collect();
            }
            Update::Set(pod) => {
                pods.insert(pod.name_any(), is_ready(&pod));
            }
            Update::Gone(pod) => {
                pods.remove(&pod.name_any());
            }
            Update::Trouble(_) => {} // what was ready may still be
        }
        let ready = pods.iter().filter(|(_, ready)| **ready);
        let ready: Vec<String> = ready.map(|(name, _)| name.clone()).collect();
        names.send_if_modified(|names| {
            let changed = *names != ready;
            *names = ready;
            changed
        });
    }
    Ok(())
}

/// Whether a pod takes new connections: ready, and not on its way out.
fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ready(names: &[&str]) -> (watch::Sender<Vec<String>>, Ready) {
        let (sender, receiver) =
            watch::channel(names.iter().map(|name| (*name).to_owned()).collect());
        (sender, Ready::new(receiver))
    }

    #[test]
    fn ready_pods_take_turns() {
        let (_sender, ready) = ready(&["a", "b"]);
        let turns: Vec<_> = (0..4).filter_map(|_| ready.next(&[])).collect();
        assert_eq!(turns, ["a", "b", "a", "b"]);
    }

    #[test]
    fn a_pod_that_was_tried_is_passed_over() {
        let (_sender, ready) = ready(&["a", "b"]);
        let tried = vec!["a".to_owned()];
        assert_eq!(ready.next(&tried).as_deref(), Some("b"));
        assert_eq!(ready.next(&tried).as_deref(), Some("b"));
        assert_eq!(ready.next(&["a".into(), "b".into()]), None);
    }

    #[test]
    fn no_pod_has_no_turn() {
        let (_sender, ready) = ready(&[]);
        assert_eq!(ready.next(&[]), None);
    }

    fn pod(ready: &str, terminating: bool) -> Pod {
        let mut pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "a"},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap();
        if terminating {
            pod.metadata.deletion_timestamp =
                serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        }
        pod
    }

    #[test]
    fn only_a_ready_pod_that_stays_takes_connections() {
        assert!(is_ready(&pod("True", false)));
        assert!(!is_ready(&pod("False", false)));
        assert!(!is_ready(&pod("True", true)));
        assert!(!is_ready(&Pod::default()));
    }
}
