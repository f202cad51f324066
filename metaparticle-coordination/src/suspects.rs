//! [`Suspects`]: those whose end is worth proving, and the watches of their pods (P1).

use std::{collections::HashMap, sync::Arc};

use kube::Client;
use metaparticle_protocol::Uid;
use tokio::task::AbortHandle;

use crate::{drive::Context, proof};

/// Sessions that others own by; for each, the watch of the pod that its process runs in.
#[derive(Default)]
pub(crate) struct Suspects(HashMap<Uid, Suspect>);

struct Suspect {
    container: Arc<str>,
    task: Option<AbortHandle>,
}

impl Drop for Suspect {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Suspects {
    /// Looks out for the end of those who are `named`, with their containers, and of nobody else.
    pub(crate) fn follow<'a, I: Send + 'static>(
        &mut self,
        named: impl Iterator<Item = (&'a Uid, &'a Arc<str>)>,
        client: &Client,
        context: &mut Context<I>,
        proven: fn(Uid) -> I,
    ) {
        let named: HashMap<_, _> = named.collect();
        self.0.retain(|uid, suspect| {
            named
                .get(uid)
                .is_some_and(|name| **name == suspect.container)
        });
        for (uid, name) in named {
            if self.0.contains_key(uid) {
                continue;
            }
            let task = name.parse().ok().map(|container| {
                let (client, uid) = (client.clone(), uid.clone());
                context.start(async move {
                    let ended = proof::ended(client, container).await;
                    ended.inspect_err(proof::without).ok()?;
                    Some(proven(uid))
                })
            });
            let container = Arc::clone(name);
            self.0.insert(uid.clone(), Suspect { container, task });
        }
    }
}
