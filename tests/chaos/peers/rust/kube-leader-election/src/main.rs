//! `kube-leader-election` as its README uses it: a loop of the caller's, here every third of the lease.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kube_leader_election::{LeaseLock, LeaseLockParams, LeaseLockResult};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() {
    let me = speak::candidate();
    let config = kube::Config::new(me.server.parse().expect("a URL"));
    let client = kube::Client::try_from(config).expect("a client");
    let lease = LeaseLock::new(
        client,
        &me.namespace,
        LeaseLockParams {
            holder_id: me.identity,
            lease_name: me.name,
            lease_ttl: me.lease,
        },
    );
    let leads = Arc::new(AtomicBool::new(false));
    let told = leads.clone();
    speak::work(move || told.load(Ordering::SeqCst));
    let mut term = signal(SignalKind::terminate()).expect("a signal");
    loop {
        tokio::select! {
            result = lease.try_acquire_or_renew() => {
                leads.store(matches!(result, Ok(LeaseLockResult::Acquired(_))), Ordering::SeqCst);
            }
            _ = term.recv() => break,
        }
        tokio::select! {
            () = tokio::time::sleep(me.lease / 3) => {}
            _ = term.recv() => break,
        }
    }
    leads.store(false, Ordering::SeqCst);
    let _ = lease.step_down().await;
}
