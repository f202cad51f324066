//! What a watch tells, and when it says that it sees nothing.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use metaparticle_local::{Cluster, api::fault::Requests as Hit};
use metaparticle_protocol::{
    Identity, Name,
    lease::{Draft, When, key},
};
use metaparticle_protocol::{Reply, Request as Asked};

use super::*;
use crate::testing::{Real, SOON, embedded};

type Sights = Pin<Box<dyn Stream<Item = Result<Sight, Refusal>> + Send>>;

fn draft(lock: &str) -> Draft {
    Draft {
        holder: Some(Identity::from("a")),
        duration: Duration::from_secs(15),
        acquired: When::Now,
        renewed: When::Now,
        transitions: 0,
        annotations: BTreeMap::new(),
        labels: BTreeMap::from([(key::LOCK, Arc::from(lock))]),
        owner: None,
    }
}

async fn create(store: &Store, name: &str, lock: &str) -> Lease {
    let request = Asked::Create {
        name: Name::from(name),
        draft: draft(lock),
    };
    is(store.call(request, SOON).await)
}

async fn update(store: &Store, lease: &Lease) -> Lease {
    let request = Asked::Update {
        name: lease.name.clone(),
        uid: lease.uid.clone(),
        version: lease.version,
        draft: draft("ignored in an update"),
    };
    is(store.call(request, SOON).await)
}

async fn delete(store: &Store, lease: &Lease) {
    let request = Asked::Delete {
        name: lease.name.clone(),
        uid: lease.uid.clone(),
        version: None,
    };
    assert_eq!(store.call(request, SOON).await, Reply::Deleted);
}

#[track_caller]
fn is(reply: Reply) -> Lease {
    match reply {
        Reply::Is(lease) => lease,
        other => panic!("{other:?}"),
    }
}

fn by_lock(lock: &str) -> Selector {
    Selector::Labels(BTreeMap::from([(key::LOCK, Arc::from(lock))]))
}

fn begin(store: &Store, selector: &Selector) -> Sights {
    Box::pin(watch(
        store,
        selector,
        Clock::of_runtime(),
        Patience::default(),
    ))
}

async fn next(sights: &mut Sights) -> Sight {
    tokio::time::timeout(Duration::from_secs(300), sights.next())
        .await
        .expect("something is said within five minutes")
        .expect("the stream never ends")
        .expect("nothing is refused")
}

async fn selections(store: &Store) {
    let before = create(store, "before", "db").await;
    create(store, "else", "other").await;
    let mut by_label = begin(store, &by_lock("db"));
    let mut by_name = begin(store, &Selector::Name(Name::from("later")));
    let Sight::Listed(leases, version) = next(&mut by_label).await else {
        panic!("not listed first");
    };
    assert_eq!(leases, [before]);
    assert!(version >= leases[0].version);
    let Sight::Listed(leases, _) = next(&mut by_name).await else {
        panic!("not listed first");
    };
    assert_eq!(leases, []);
    create(store, "elsewhere", "other").await;
    let added = create(store, "later", "db").await;
    let modified = update(store, &added).await;
    delete(store, &modified).await;
    for sights in [&mut by_label, &mut by_name] {
        assert_eq!(next(sights).await, Sight::Added(added.clone()));
        assert_eq!(next(sights).await, Sight::Modified(modified.clone()));
        let Sight::Deleted(deleted) = next(sights).await else {
            panic!("not deleted");
        };
        assert_eq!(deleted.uid, modified.uid);
        assert!(deleted.version > modified.version, "that of the deletion");
    }
}

#[tokio::test]
async fn watch_begins_with_a_list_and_tells_what_its_selector_chooses() {
    let (_cluster, store) = embedded().await;
    selections(&store).await;
}

#[tokio::test]
#[ignore = "needs the API server that METAPARTICLE_TEST_KUBECONFIG names"]
async fn watch_tells_the_same_on_a_real_api_server() {
    let real = Real::new().await;
    selections(&Store::new(real.client.clone(), &real.namespace)).await;
    real.end().await;
}

#[tokio::test]
#[ignore = "needs the API server that METAPARTICLE_TEST_KUBECONFIG names"]
async fn watch_without_permission_is_refused_and_goes_on() {
    let mut config = crate::testing::real_config().await;
    config.auth_info.impersonate = Some("nobody-in-particular".to_owned());
    let store = Store::new(crate::connect::client(config).unwrap(), "default");
    let patience = Patience {
        refused: Duration::from_millis(10),
        ..Patience::default()
    };
    let mut sights = Box::pin(watch(&store, &by_lock("db"), Clock::system(), patience));
    for _ in 0..3 {
        let refusal = sights.next().await.unwrap().unwrap_err();
        assert!(refusal.is_forbidden());
        assert_eq!(refusal.verb(), Verb::List);
    }
}

/// A watch of `later`, whose list is read.
async fn listed() -> (Cluster, Store, Sights) {
    let (cluster, store) = embedded().await;
    let mut sights = begin(&store, &by_lock("db"));
    assert!(matches!(next(&mut sights).await, Sight::Listed(..)));
    (cluster, store, sights)
}

/// Lets the stream do what it has to without anything to say.
async fn idle(sights: &mut Sights, time: Duration) {
    let said = tokio::time::timeout(time, sights.next()).await;
    assert!(said.is_err(), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn watch_that_ends_in_order_goes_on_where_it_was() {
    let (cluster, store, mut sights) = listed().await;
    idle(&mut sights, Duration::from_secs(2)).await;
    cluster.faults().drop_watches();
    let added = create(&store, "x", "db").await;
    assert_eq!(next(&mut sights).await, Sight::Added(added));
    let lists = cluster.requests();
    assert_eq!(lists.iter().filter(|asked| asked.verb == "list").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn idle_watch_costs_one_request_in_five_minutes_and_is_never_lost() {
    let (cluster, _store, mut sights) = listed().await;
    let hour = Duration::from_secs(3600);
    idle(&mut sights, hour).await;
    let asked = cluster.requests().len();
    assert!(asked <= 14, "{asked} requests in an hour");
}

#[tokio::test(start_paused = true)]
async fn forgotten_version_is_lost_and_listed_anew() {
    let (cluster, store, mut sights) = listed().await;
    idle(&mut sights, Duration::from_secs(2)).await;
    // While the watch is away: the event is forgotten before it can be told.
    cluster
        .faults()
        .server_error(Hit::all().verb("watch"), 1, 503);
    cluster.faults().drop_watches();
    let added = create(&store, "x", "db").await;
    cluster.compact();
    assert_eq!(next(&mut sights).await, Sight::Lost);
    let Sight::Listed(leases, _) = next(&mut sights).await else {
        panic!("not listed");
    };
    assert_eq!(leases, [added]);
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_loss() {
    let (cluster, store, mut sights) = listed().await;
    idle(&mut sights, Duration::from_secs(2)).await;
    cluster.faults().partition("us");
    let before = tokio::time::Instant::now();
    assert_eq!(next(&mut sights).await, Sight::Lost);
    let silent = before.elapsed();
    assert!(silent > Duration::from_secs(60), "{silent:?}");
    assert!(silent < Duration::from_secs(95), "{silent:?}");
    let elsewhere = Store::new(cluster.client_named("them"), "default");
    let added = create(&elsewhere, "x", "db").await;
    idle(&mut sights, Duration::from_secs(30)).await;
    cluster.faults().heal("us");
    let Sight::Listed(leases, _) = next(&mut sights).await else {
        panic!("not listed");
    };
    assert_eq!(leases, [added]);
    drop(store);
}

#[tokio::test(start_paused = true)]
async fn pause_of_the_process_is_a_loss() {
    let (_cluster, _store, mut sights) = listed().await;
    idle(&mut sights, Duration::from_secs(2)).await;
    let said = tokio::join!(next(&mut sights), async {
        // The clock jumps while the stream waits, as after SIGCONT.
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(4)).await;
    });
    assert_eq!(said.0, Sight::Lost);
    assert!(matches!(next(&mut sights).await, Sight::Listed(..)));
}

#[tokio::test(start_paused = true)]
async fn lists_that_fail_are_repeated_more_and_more_slowly() {
    let (cluster, store) = embedded().await;
    cluster.faults().server_error(Hit::all(), 1000, 503);
    let mut sights = begin(&store, &by_lock("db"));
    idle(&mut sights, Duration::from_secs(60)).await;
    let asked = cluster.requests().len();
    assert!((30..70).contains(&asked), "{asked} requests in a minute");
    cluster.faults().clear();
    assert!(matches!(next(&mut sights).await, Sight::Listed(..)));
}

#[tokio::test(start_paused = true)]
async fn update_after_a_watch_of_its_name_needs_no_read() {
    let (cluster, store) = embedded().await;
    let elsewhere = Store::new(cluster.client_named("them"), "default");
    let lease = create(&elsewhere, "x", "db").await;
    let mut sights = begin(&store, &Selector::Name(Name::from("x")));
    next(&mut sights).await;
    let lease = update(&elsewhere, &lease).await;
    assert_eq!(next(&mut sights).await, Sight::Modified(lease.clone()));
    update(&store, &lease).await;
    let ours = cluster.requests();
    let reads = ours
        .iter()
        .filter(|asked| asked.client == "us" && asked.verb == "get");
    assert_eq!(reads.count(), 0);
}
