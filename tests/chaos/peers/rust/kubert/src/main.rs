//! `kubert`'s lease manager, its claim asked as its documentation says: by `is_current_for`.

use k8s_openapi::api::coordination::v1::Lease;
use kube_client::{Api, Client, Config, api::PostParams};
use kubert::lease::{ClaimParams, LeaseManager};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() {
    let me = speak::candidate();
    let client =
        Client::try_from(Config::new(me.server.parse().expect("a URL"))).expect("a client");
    let api = Api::<Lease>::namespaced(client, &me.namespace);
    let mut lease = Lease::default();
    lease.metadata.name = Some(me.name.clone());
    // It needs one that exists; another candidate may have made it.
    let _ = api.create(&PostParams::default(), &lease).await;
    let manager = LeaseManager::init(api, me.name).await.expect("the Lease");
    let params = ClaimParams {
        lease_duration: me.lease,
        renew_grace_period: me.lease / 3,
    };
    let (claims, task) = manager
        .spawn(me.identity.clone(), params)
        .await
        .expect("a task");
    let (told, identity) = (claims.clone(), me.identity);
    speak::work(move || told.borrow().is_current_for(&identity));
    let mut term = signal(SignalKind::terminate()).expect("a signal");
    term.recv().await;
    drop(claims);
    task.abort();
}
