//! Leads when it can, says so every few milliseconds, and writes a guarded object under its term's token.

use std::{sync::Arc, thread, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use metaparticle_coordination::{Coordinator, Error, election::Term};

use super::{Task, say};
use crate::{clock::now, register::REGISTER};

/// Contends until the coordinator is shut down.
pub(super) async fn contend(coordinator: Coordinator, task: Arc<Task>) {
    let election = coordinator.election(&task.name).lease(task.lease).build();
    let election = election.expect("an election");
    let config = kube::Config::new(task.server.parse().expect("a URL"));
    let client = Client::try_from(config).expect("a client");
    let registers = Api::<ConfigMap>::namespaced(client, &task.namespace);
    say(now(), "ready");
    loop {
        match election.campaign().await {
            Ok(term) => lead(term, registers.clone()).await,
            Err(Error::Shutdown) => return,
            Err(error) => {
                say(now(), &format!("error {error}"));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn lead(term: Term, registers: Api<ConfigMap>) {
    let term = Arc::new(term);
    let belief = believe(term.clone());
    tokio::select! {
        biased;
        _ = term.lost() => {}
        () = write(&term, registers) => {}
    }
    let _ = tokio::task::spawn_blocking(|| belief.join()).await;
}

/// On a thread of its own: the moment is read before the term is asked.
fn believe(term: Arc<Term>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let token = term.token();
        let mut word = "lead";
        loop {
            let at = now();
            if term.check().is_err() {
                say(now(), "lost");
                return;
            }
            say(at, &format!("{word} {token}"));
            word = "valid";
            thread::sleep(Duration::from_millis(5));
        }
    })
}

/// Claims the object, then writes it by compare-and-swap and by patches in turn, until it is refused.
async fn write(term: &Term, registers: Api<ConfigMap>) {
    let fenced = term.fence().api(registers);
    let pause = Duration::from_millis(60);
    let mut claimed = loop {
        match fenced.claim(REGISTER).await {
            Ok(claimed) => break claimed,
            Err(error) if error.is_lost() => return refused(term),
            Err(_) => tokio::time::sleep(pause).await,
        }
    };
    for count in 0_u64.. {
        let written = if count % 2 == 0 {
            let change = |map: &mut ConfigMap| {
                let data = map.data.get_or_insert_default();
                data.insert("count".to_owned(), count.to_string());
            };
            claimed.update(change).await.map(drop)
        } else {
            let data = serde_json::json!({"data": {"count": count.to_string()}});
            let patch = kube::api::Patch::Merge(data);
            let params = kube::api::PatchParams::default();
            claimed.patch(&params, &patch).await.map(drop)
        };
        if written.is_err_and(|error| error.is_lost()) {
            return refused(term);
        }
        tokio::time::sleep(pause).await;
    }
}

fn refused(term: &Term) {
    say(now(), &format!("wrote {} refused", term.token()));
}
