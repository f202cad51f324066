//! `kube-lease-manager`, watched as its documentation says.

use kube_lease_manager::LeaseManagerBuilder;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() {
    let me = speak::candidate();
    let config = kube::Config::new(me.server.parse().expect("a URL"));
    let client = kube::Client::try_from(config).expect("a client");
    let seconds = me.lease.as_secs();
    let manager = LeaseManagerBuilder::new(client, me.name)
        .with_namespace(me.namespace)
        .with_identity(me.identity)
        .with_duration(seconds)
        .with_grace((seconds / 3).max(1))
        .build()
        .await
        .expect("a manager");
    let (leads, task) = manager.watch().await;
    let told = leads.clone();
    speak::work(move || *told.borrow());
    let mut term = signal(SignalKind::terminate()).expect("a signal");
    term.recv().await;
    drop(leads);
    task.abort();
}
