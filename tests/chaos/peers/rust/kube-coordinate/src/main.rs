//! `kube-coordinate`, its state asked as its documentation says.

use std::time::Duration;

use kube_coordinate::{Config, LeaderElector};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() {
    let me = speak::candidate();
    let config = kube::Config::new(me.server.parse().expect("a URL"));
    let client = kube::Client::try_from(config).expect("a client");
    // Its defaults are 15, 10, 2 and 5 seconds; none may be below one second.
    let part = |numerator: u32| {
        Duration::from_millis(u64::try_from(me.lease.as_millis()).unwrap_or(0)) * numerator / 15
    };
    let at_least = |duration: Duration| duration.max(Duration::from_secs(1));
    let config = Config {
        name: me.name,
        namespace: me.namespace,
        identity: me.identity,
        manager: "chaos".to_owned(),
        lease_duration: me.lease,
        renew_deadline: at_least(part(10)),
        retry_period: at_least(part(2)),
        api_timeout: at_least(part(5)),
    };
    let elector = LeaderElector::spawn(config, client).expect("an elector");
    let state = elector.state();
    speak::work(move || state.borrow().is_leader());
    let mut term = signal(SignalKind::terminate()).expect("a signal");
    term.recv().await;
    let _ = elector.shutdown().await;
}
