//! What cannot work says so, once and clearly.

use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock, Mutex},
    thread::{self, ThreadId},
    time::Duration,
};

use serde_json::json;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::{LEASES, cluster, of, process, soon, tickets};
use crate::{Coordinator, Error, testing::ask};

#[tokio::test(start_paused = true)]
async fn names_that_are_no_labels_are_refused() {
    let cluster = cluster().await;
    let own = process(&cluster, "own").await;
    let error = own.mutex("My Lock").lock().await.unwrap_err().to_string();
    assert!(
        error.starts_with("`My Lock` is no name of a lock"),
        "{error}"
    );
    let error = own.rwlock("").try_read().await.unwrap_err();
    assert!(matches!(error, Error::Name { .. }), "{error}");
    let error = own.semaphore("a.b", 2).acquire().await.unwrap_err();
    assert!(matches!(error, Error::Name { .. }), "{error}");
    assert_eq!(own.session(), None, "nothing was asked");
}

#[tokio::test(start_paused = true)]
async fn numbers_that_make_no_sense_are_refused() {
    let cluster = cluster().await;
    let own = process(&cluster, "own").await;
    let error = own.semaphore("gpu", 0).acquire().await.unwrap_err();
    assert_eq!(error.to_string(), "semaphore `gpu` lets in nobody");
    let error = own
        .mutex("m")
        .lock_within(Duration::ZERO)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no time to wait in"), "{error}");
    let guard = own.mutex("m").lock_within(Duration::MAX).await.unwrap();
    guard
        .expect("for ever is long enough")
        .unlock()
        .await
        .unwrap();
    for session in [Duration::ZERO, Duration::from_millis(2500), Duration::MAX] {
        let builder = Coordinator::builder(cluster.client()).session(session);
        let error = builder.start().await.unwrap_err();
        assert!(matches!(error, Error::Lease { .. }), "{error}");
        assert!(
            error.to_string().contains("2 to 3600 whole seconds"),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn namespace_that_does_not_exist_is_named() {
    let cluster = cluster().await;
    let own = Coordinator::builder(cluster.client()).namespace("nowhere");
    let own = own.start().await.unwrap();
    let error = own.mutex("m").lock().await.unwrap_err().to_string();
    assert!(
        error.contains("namespace") && error.contains("nowhere"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn each_permission_that_lacks_is_named() {
    for verb in ["create", "list", "watch"] {
        let cluster = cluster().await;
        let own = process(&cluster, "own").await;
        cluster
            .faults()
            .server_error(of("own").verb(verb), 1000, 403);
        let error = own.mutex("m").lock().await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("to {verb} leases")),
            "{verb}: {error}"
        );
        cluster.faults().clear();
        let second = Duration::from_secs(20);
        let guard = own.mutex("m").lock_within(second).await.unwrap();
        guard.expect("the permission came").unlock().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn unlock_that_is_refused_names_the_permission() {
    let cluster = cluster().await;
    let own = process(&cluster, "own").await;
    let guard = own.mutex("m").lock().await.unwrap();
    cluster
        .faults()
        .server_error(of("own").verb("delete"), 1000, 403);
    let error = guard.unlock().await.unwrap_err().to_string();
    assert!(error.contains("to delete leases"), "{error}");
    cluster.faults().clear();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(tickets(&cluster).await, 0, "tried on");
}

#[tokio::test(start_paused = true)]
async fn refused_ticket_fails_its_wish_and_spares_the_others() {
    let cluster = cluster().await;
    let own = process(&cluster, "own").await;
    let held = own.mutex("a").lock().await.unwrap();
    cluster
        .faults()
        .server_error(of("own").verb("create"), 1, 403);
    let error = own.mutex("b").lock().await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    held.check().unwrap();
    own.mutex("b").lock().await.unwrap().unlock().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_kinds_or_limits_of_one_name_fail_the_later() {
    let cluster = cluster().await;
    let (own, other) = (
        process(&cluster, "own").await,
        process(&cluster, "other").await,
    );
    let held = own.semaphore("x", 3).acquire().await.unwrap();
    let error = other.semaphore("x", 4).acquire().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "lock `x` is a semaphore of 4 here and a semaphore of 3 elsewhere: one name has one kind and one limit, at a time"
    );
    let error = other.mutex("x").try_lock().await.unwrap_err().to_string();
    assert!(
        error.contains("a mutex here and a semaphore of 3"),
        "{error}"
    );
    held.unlock().await.unwrap();
    other.mutex("x").lock().await.unwrap().check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn ticket_that_somebody_made_by_hand_is_not_passed_over() {
    let cluster = cluster().await;
    let own = process(&cluster, "own").await;
    let labels = json!({ "metaparticle.dev/role": "ticket", "metaparticle.dev/lock": "m" });
    let body = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "by-hand", "labels": labels },
    });
    ask(&cluster.client(), "POST", LEASES, Some(&body)).await;
    let error = own.mutex("m").lock().await.unwrap_err().to_string();
    assert!(
        error.contains("something that this version does not know"),
        "{error}"
    );
    own.mutex("n").lock().await.unwrap().check().unwrap();
    soon().await;
    assert_eq!(tickets(&cluster).await, 1, "by-hand");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_ones_own_process_is_warned_of_with_both_places() {
    let cluster = cluster().await;
    let own = process(&cluster, "own").await;
    let lines = LazyLock::force(&LINES);
    let held = line!() + 1;
    let _held = own.mutex("m").lock().await.unwrap();
    let waits = line!() + 1;
    let waiting = own.mutex("m").lock_within(Duration::from_secs(3)).await;
    assert!(waiting.unwrap().is_none());
    let lines = lines.0.lock().unwrap();
    let own = thread::current().id();
    let own = lines.iter().filter(|(thread, _)| *thread == own);
    let warning = own
        .map(|(_, line)| line)
        .find(|line| line.contains("its own process holds"));
    let warning = warning.expect("a warning");
    for place in [held, waits] {
        let place = format!("misuse.rs:{place}:");
        assert!(warning.contains(&place), "{place} in {warning}");
    }
}

/// For all tests of the process: a subscriber of one thread alone may miss what another thread logged first.
static LINES: LazyLock<Lines> = LazyLock::new(|| {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).expect("nobody else does");
    lines
});

/// Keeps what is logged, and on which thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(ThreadId, String)>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let own = thread::current().id();
        self.0.lock().unwrap().push((own, line.0));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}
