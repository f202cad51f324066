//! [`Changes`]: what controllers and the node wake up for.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::{resource::Resource, store::Store};

/// An object that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its kind.
    pub resource: &'static Resource,
    /// Its namespace; empty for cluster-wide ones.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The object after the change, or the last one if it was deleted.
    pub object: Arc<Value>,
    /// The object before the change.
    pub previous: Option<Arc<Value>>,
    /// Whether it is gone.
    pub deleted: bool,
}

/// The changes of some kinds, in the order of their revisions, none left out.
#[derive(Debug)]
pub struct Changes(mpsc::UnboundedReceiver<Change>);

impl Changes {
    pub(super) fn new(store: &Store, resources: &[&'static Resource]) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        store.with(|state| {
            for &resource in resources {
                for object in state.list(resource, None) {
                    let value = object.value();
                    let text = |field: &str| {
                        value["metadata"][field]
                            .as_str()
                            .unwrap_or_default()
                            .to_owned()
                    };
                    let change = Change {
                        resource,
                        namespace: text("namespace"),
                        name: text("name"),
                        object: Arc::clone(value),
                        previous: None,
                        deleted: false,
                    };
                    // The receiver is a few lines away.
                    let _ = sender.send(change);
                }
            }
            state.subscribe(resources, &sender);
        });
        Self(receiver)
    }

    /// The next change.
    ///
    /// # Cancel safety
    /// Cancel safe: no change is lost.
    pub async fn next(&mut self) -> Change {
        match self.0.recv().await {
            Some(change) => change,
            // The store is gone, and with it everything that could change.
            None => std::future::pending().await,
        }
    }

    /// The next change if there is one at once.
    pub fn try_next(&mut self) -> Option<Change> {
        self.0.try_recv().ok()
    }
}
