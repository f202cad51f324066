//! [`Pool`]: namespaces that are used again. A real cluster takes its time to delete one.

use std::sync::{Mutex, PoisonError};

use kube::Client;
use metaparticle_contract::{Context, Patch};
use serde_json::json;

use crate::side::FOREIGN;

/// The namespaces of one server that nobody uses right now.
pub(crate) struct Pool {
    client: Client,
    free: Mutex<Vec<Context>>,
}

impl Pool {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            free: Mutex::default(),
        }
    }

    /// An empty namespace.
    pub(crate) async fn take(&self) -> Context {
        let free = self.free().pop();
        match free {
            Some(context) => context,
            None => Context::create(self.client.clone()).await,
        }
    }

    /// Takes a namespace back, without its objects of that kind.
    pub(crate) async fn give(&self, context: Context, plural: &str) {
        for name in context.names(plural).await {
            if name == FOREIGN {
                continue;
            }
            let path = format!("{plural}/{name}");
            let unbound = json!({"metadata": {"finalizers": null}});
            let _ = context.patch(Patch::Merge, &path, &unbound).await;
            let _ = context.delete(&path).await;
            // What was being deleted is gone with its last finalizer.
            let left = context.get(&path).await;
            assert_eq!(left.status, 404, "{}", left.text());
        }
        self.free().push(context);
    }

    /// Deletes all namespaces.
    pub(crate) async fn remove(&self) {
        let all = std::mem::take(&mut *self.free());
        futures::future::join_all(all.iter().map(Context::remove)).await;
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Context>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
