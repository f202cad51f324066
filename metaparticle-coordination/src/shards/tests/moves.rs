//! Processes come and go in order.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use metaparticle_protocol::shard::{Claim, Verdict};

use super::{super::*, *};
use crate::testing::ask;

/// The first map waits for the longest session that may still live (M7).
const FIRST: Duration = Duration::from_secs(20);
/// Waves of a sixteenth, two a second.
const SOON: Duration = Duration::from_secs(8);

#[tokio::test(start_paused = true)]
async fn first_map_comes_after_one_session_and_is_even() {
    let cluster = cluster().await;
    let (a, b) = (ready(&cluster, "a").await, ready(&cluster, "b").await);
    become_owners(&[&a, &b], &[32, 32], FIRST).await;
    let owners = owners([&a, &b]);
    for key in ["alice", "bob", "carol"] {
        let slot = a.shards.slot(key).unwrap();
        let (mine, other) = if owners[&slot] == "a" {
            (&a, &b)
        } else {
            (&b, &a)
        };
        let guard = mine.shards.guard(key).unwrap();
        assert_eq!((guard.check(), guard.slot()), (Ok(()), slot));
        let NotOwned::Elsewhere { pod, .. } = other.shards.guard(key).unwrap_err() else {
            panic!("{key} has an owner");
        };
        assert_eq!(*pod, owners[&slot]);
        let Place::Peer(peer) = other.shards.owner(key) else {
            panic!("{key} has an owner");
        };
        assert_eq!(*peer.address, format!("{pod}:80"));
        assert_eq!(Some(peer.session), mine.shards.session());
    }
    assert_eq!(a.shards.key().unwrap().len(), 32);
    assert_eq!(a.shards.key(), b.shards.key());
}

#[tokio::test(start_paused = true)]
async fn only_who_is_ready_owns() {
    let cluster = cluster().await;
    let (a, b) = (ready(&cluster, "a").await, process(&cluster, "b").await);
    become_owners(&[&a, &b], &[64, 0], FIRST).await;
    // It knows all the same whose they are.
    assert!(matches!(b.shards.owner("alice"), Place::Peer(peer) if &*peer.pod == "a"));
    b.shards.ready();
    become_owners(&[&a, &b], &[32, 32], SOON).await;
}

#[tokio::test(start_paused = true)]
async fn third_process_takes_from_both_and_they_keep_the_rest() {
    let cluster = cluster().await;
    let (a, b) = (ready(&cluster, "a").await, ready(&cluster, "b").await);
    become_owners(&[&a, &b], &[32, 32], FIRST).await;
    let before = owners([&a, &b]);
    let c = ready(&cluster, "c").await;
    while a.shards.owned().len() > 22 || b.shards.owned().len() > 22 || c.shards.owned().len() < 21
    {
        owners([&a, &b, &c]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for (slot, owner) in owners([&a, &b, &c]) {
        assert!(owner == "c" || owner == before[&slot], "{slot}");
    }
    // It goes again, in order: nobody waits for its session to expire.
    let begin = tokio::time::Instant::now();
    c.shards.leave().await;
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    // It still knows where requests go.
    let slot = c.shards.slot("alice").unwrap();
    let Place::Peer(peer) = c.shards.find(slot) else {
        panic!("{:?}", c.shards.find(slot));
    };
    assert_eq!(owners([&a, &b])[&slot], *peer.pod);
    become_owners(&[&a, &b, &c], &[32, 32, 0], SOON).await;
}

#[tokio::test(start_paused = true)]
async fn slot_moves_when_its_permits_are_dropped_and_not_before() {
    let cluster = cluster().await;
    let a = ready(&cluster, "a").await;
    become_owners(&[&a], &[64], FIRST).await;
    let permits: Vec<_> = (0..SLOTS)
        .map(|slot| a.shards.guard_of(Slot(slot)).unwrap().permit().unwrap())
        .collect();
    let b = ready(&cluster, "b").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(counts(&[&b]), [0]);
    assert!(permits.iter().all(|permit| permit.check().is_ok()));
    // A wave of a sixteenth is prepared: these are no longer served, and not yet another's.
    let moving = (0..SLOTS).filter(|slot| a.shards.find(Slot(*slot)) == Place::Draining);
    let moving: Vec<_> = moving.collect();
    assert!(!moving.is_empty() && moving.len() < 64, "{moving:?}");
    let slot = Slot(moving[0]);
    assert_eq!(
        a.shards.guard_of(slot).unwrap_err(),
        NotOwned::Moving { slot }
    );
    let Place::Peer(Peer { session, token, .. }) = b.shards.find(slot) else {
        panic!("{:?}", b.shards.find(slot));
    };
    let claim = Claim {
        slot,
        token,
        session,
    };
    assert_eq!(a.shards.judge(&claim), Verdict::Hold);
    drop(permits);
    become_owners(&[&a, &b], &[32, 32], SOON).await;
    assert_eq!(a.shards.judge(&claim), Verdict::Moved);
}

#[tokio::test(start_paused = true)]
async fn drain_that_takes_too_long_is_cut_at_its_deadline() {
    let cluster = cluster().await;
    let a = ready(&cluster, "a").await;
    become_owners(&[&a], &[64], FIRST).await;
    let hangs: Vec<_> = (0..SLOTS)
        .map(|slot| a.shards.guard_of(Slot(slot)).unwrap().permit().unwrap())
        .collect();
    let b = ready(&cluster, "b").await;
    become_owners(&[&a, &b], &[32, 32], DRAIN * 10).await;
    let ended = hangs
        .iter()
        .filter(|permit| permit.check().is_err())
        .count();
    assert_eq!(ended, 32);
}

#[tokio::test(start_paused = true)]
async fn guards_and_changes_tell_of_every_move() {
    let cluster = cluster().await;
    let a = ready(&cluster, "a").await;
    become_owners(&[&a], &[64], FIRST).await;
    let mut changes = a.shards.changes();
    let guard = a.shards.guard_of(Slot(0)).unwrap();
    let b = ready(&cluster, "b").await;
    become_owners(&[&a, &b], &[32, 32], SOON).await;
    let mut owned = BTreeMap::new();
    while let Ok(change) = changes.0.try_recv() {
        match change {
            Change::Gained { slot, token } => assert_eq!(owned.insert(slot, token), None),
            Change::Lost { slot, why } => {
                assert_eq!(why, Lost::Moved);
                assert!(owned.remove(&slot).is_some());
            }
            Change::Draining { slot } => assert!(owned.contains_key(&slot)),
            Change::Resumed { .. } => panic!("nothing was called off"),
        }
    }
    assert_eq!(owned.into_iter().collect::<Vec<_>>(), a.shards.owned());
    if a.shards.find(Slot(0)) == Place::Here {
        assert_eq!(guard.check(), Ok(()));
    } else {
        assert_eq!(guard.check(), Err(Lost::Moved));
        let other = b.shards.guard_of(Slot(0)).unwrap();
        assert!(other.token() > guard.token());
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_gives_slots_away_and_deletes_the_session() {
    let cluster = cluster().await;
    let (a, b) = (ready(&cluster, "a").await, ready(&cluster, "b").await);
    become_owners(&[&a, &b], &[32, 32], FIRST).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let (over, coordinator) = (Arc::clone(&is_over), a.coordinator.clone());
    let ends = tokio::spawn(async move {
        coordinator.shutdown().await;
        over.store(true, Ordering::Release);
    });
    while !is_over.load(Ordering::Acquire) {
        // Each slot is somebody's, or on its way.
        owners([&a, &b]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ends.await.unwrap();
    become_owners(&[&a, &b], &[0, 64], SOON).await;
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let path = format!("{leases}?labelSelector=metaparticle.dev%2Frole%3Dsession");
    let list = ask(&cluster.client(), "GET", &path, None).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_waits_for_work_under_permits() {
    let cluster = cluster().await;
    let (a, b) = (ready(&cluster, "a").await, ready(&cluster, "b").await);
    become_owners(&[&a, &b], &[32, 32], FIRST).await;
    let slot = a.shards.owned()[0].0;
    let permit = a.shards.guard_of(slot).unwrap().permit().unwrap();
    let begin = tokio::time::Instant::now();
    let ends = tokio::spawn(async move {
        a.shards.leave().await;
        a
    });
    // All else has moved long ago.
    tokio::time::sleep(SOON + Duration::from_secs(1)).await;
    assert!(!ends.is_finished(), "{:?}", begin.elapsed());
    assert_eq!(permit.check(), Ok(()));
    drop(permit);
    let a = ends.await.unwrap();
    become_owners(&[&a, &b], &[0, 64], SOON).await;
    assert!(begin.elapsed() < DRAIN + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn last_one_to_leave_waits_for_nobody() {
    let cluster = cluster().await;
    let a = ready(&cluster, "a").await;
    become_owners(&[&a], &[64], FIRST).await;
    let begin = tokio::time::Instant::now();
    a.coordinator.shutdown().await;
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn misuse_is_said_at_once() {
    let cluster = cluster().await;
    let a = process(&cluster, "a").await;
    for (result, says) in [
        (a.coordinator.shards("Users").start(), "no name"),
        (a.coordinator.shards("x").slots(48).start(), "power of two"),
        (a.coordinator.shards("x").start(), "one map of shards"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_only_follows_knows_the_owners_and_has_no_session() {
    let cluster = cluster().await;
    let a = ready(&cluster, "a").await;
    become_owners(&[&a], &[64], FIRST).await;
    let router = Coordinator::builder(cluster.client_named("r"))
        .namespace("default")
        .clock(Clock::of_runtime());
    let router = router.start().await.unwrap();
    let shards = router.shards("users").follow().unwrap();
    let mut changed = shards.changed();
    while shards.owner("alice") == Place::NoMap {
        changed.changed().await.unwrap();
    }
    assert!(matches!(shards.owner("alice"), Place::Peer(peer) if &*peer.pod == "a"));
    assert_eq!(router.session(), None);
    let begin = tokio::time::Instant::now();
    shards.refresh().await;
    assert!(begin.elapsed() < REFRESH, "a read was made");
}
