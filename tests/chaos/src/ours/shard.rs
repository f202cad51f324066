//! Owns slots when it may, says of each every few milliseconds that it does, and writes a guarded object under the token
//! of one.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use metaparticle_coordination::{
    Coordinator,
    shards::{Change, Guard, Slot},
};
use tokio::task::JoinSet;

use super::{Task, say};
use crate::{clock::now, random::Random, register::REGISTER};

/// So few that each can speak for itself.
pub const SLOTS: usize = 16;

/// Owns until the coordinator is shut down.
pub(super) async fn contend(coordinator: Coordinator, task: Arc<Task>) {
    let slots = u32::try_from(SLOTS).expect("few");
    let shards = coordinator.shards(&*task.name).slots(slots);
    let shards = shards.drain(Duration::from_secs(1)).start();
    let shards = shards.expect("shards");
    let config = kube::Config::new(task.server.parse().expect("a URL"));
    let client = Client::try_from(config).expect("a client");
    let registers = Api::<ConfigMap>::namespaced(client, &task.namespace);
    let mut changes = shards.changes();
    shards.ready();
    say(now(), "ready");
    let mut work = JoinSet::new();
    let mut next = 0;
    while let Some(change) = changes.next().await {
        let (Change::Gained { slot, .. } | Change::Resumed { slot }) = change else {
            continue;
        };
        // It may be lost again already.
        let Ok(guard) = shards.guard_of(slot) else {
            continue;
        };
        next += 1;
        if slot == Slot(0) {
            work.spawn(write(guard.clone(), registers.clone()));
        }
        work.spawn(believe(next, guard));
        while work.try_join_next().is_some() {}
    }
    while work.join_next().await.is_some() {}
}

/// The moment is read before the guard is asked; what was begun goes on under a permit.
async fn believe(id: u64, guard: Guard) {
    let slot = guard.slot();
    let mut word = format!("locked {id} {}", guard.token());
    let mut random = Random::new(id);
    say(now(), &format!("ask {id} slot-{slot} mutex"));
    while let Ok(permit) = guard.permit() {
        let until = now() + i64::try_from(random.between(0, 40)).unwrap_or(0) * 1_000_000;
        loop {
            let at = now();
            if permit.check().is_err() {
                return say(now(), &format!("locklost {id}"));
            }
            say(at, &word);
            word = format!("held {id}");
            tokio::time::sleep(Duration::from_millis(5)).await;
            if at > until {
                break;
            }
        }
    }
    say(now(), &format!("unlock {id}"));
}

/// Claims the object and writes it until it is refused, or the slot is lost.
async fn write(guard: Guard, registers: Api<ConfigMap>) {
    let fenced = guard.fence().api(registers);
    let pause = Duration::from_millis(60);
    let work = async {
        let mut claimed = loop {
            match fenced.claim(REGISTER).await {
                Ok(claimed) => break claimed,
                Err(error) if error.is_lost() => return true,
                Err(_) => tokio::time::sleep(pause).await,
            }
        };
        for count in 0_u64.. {
            let change = |map: &mut ConfigMap| {
                let data = map.data.get_or_insert_default();
                data.insert("count".to_owned(), count.to_string());
            };
            if claimed
                .update(change)
                .await
                .is_err_and(|error| error.is_lost())
            {
                return true;
            }
            tokio::time::sleep(pause).await;
        }
        false
    };
    if guard.guarded(Box::pin(work)).await == Ok(true) {
        say(now(), &format!("wrote {} refused", guard.token()));
    }
}
