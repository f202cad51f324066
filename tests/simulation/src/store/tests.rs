//! The store's behaviour is that of a real API server, as `anchors` of the protocol measured it.

use std::sync::Arc;

use metaparticle_protocol::{Identity, Sight, Token};

use super::*;

const WALL: Stamp = Stamp(7);

fn draft(holder: &str) -> Draft {
    Draft {
        holder: Some(Identity::from(holder)),
        duration: Duration::from_secs(15),
        acquired: When::Now,
        renewed: When::Now,
        transitions: 0,
        annotations: BTreeMap::new(),
        labels: BTreeMap::new(),
        owner: None,
    }
}

fn created(store: &mut Store, name: &str, draft: Draft) -> Lease {
    let request = Request::Create {
        name: name.into(),
        draft,
    };
    match store.execute(&request, WALL) {
        Reply::Is(lease) => lease,
        other => panic!("{other:?}"),
    }
}

fn ticket(lock: &str, owner: Option<(Name, Uid)>) -> Draft {
    Draft {
        labels: BTreeMap::from([("lock", Arc::from(lock))]),
        owner,
        ..draft("me")
    }
}

fn locks(lock: &str) -> BTreeMap<&'static str, Arc<str>> {
    BTreeMap::from([("lock", Arc::from(lock))])
}

#[test]
fn update_needs_uid_and_version_that_are_stored() {
    let mut store = Store::default();
    let lease = created(&mut store, "e", draft("a"));
    let update = |uid: &Uid, version| Request::Update {
        name: "e".into(),
        uid: uid.clone(),
        version,
        draft: draft("b"),
    };
    let old = update(&lease.uid, Version(1));
    assert_eq!(store.execute(&old, WALL), Reply::Conflict);
    let foreign = update(&Uid::from("u9"), lease.version);
    assert_eq!(store.execute(&foreign, WALL), Reply::Conflict);
    let right = update(&lease.uid, lease.version);
    let Reply::Is(after) = store.execute(&right, WALL) else {
        panic!("done");
    };
    assert!(after.version > lease.version && after.uid == lease.uid);
    assert_eq!(store.execute(&right, WALL), Reply::Conflict);
}

#[test]
fn update_without_uid_brings_back_what_was_deleted() {
    let mut store = Store::default();
    let lease = created(&mut store, "e", draft("a"));
    let name = Name::from("e");
    assert_eq!(store.delete(&name, Some(&lease.uid), None), Reply::Deleted);
    let with = store.update(
        &name,
        Some(&lease.uid),
        Some(lease.version),
        &draft("a"),
        WALL,
    );
    assert_eq!(with, Reply::Conflict);
    let without = store.update(&name, None, Some(lease.version), &draft("a"), WALL);
    assert!(matches!(without, Reply::Is(back) if back.uid != lease.uid));
}

#[test]
fn deletion_keeps_to_its_preconditions() {
    let mut store = Store::default();
    let lease = created(&mut store, "e", draft("a"));
    let delete = |version| Request::Delete {
        name: "e".into(),
        uid: lease.uid.clone(),
        version,
    };
    let conflict = store.execute(&delete(Some(Version(1))), WALL);
    assert_eq!(conflict, Reply::Conflict);
    let done = store.execute(&delete(Some(lease.version)), WALL);
    assert_eq!(done, Reply::Deleted);
    assert_eq!(store.execute(&delete(None), WALL), Reply::Absent);
}

#[test]
fn exact_list_shows_the_past_until_it_is_compacted() {
    let mut store = Store::default();
    let first = created(&mut store, "t1", ticket("l", None));
    created(&mut store, "t2", ticket("l", None));
    store.delete(&"t1".into(), None, None);
    let exactly = |version| Request::List {
        labels: locks("l"),
        exactly: Some(version),
    };
    let past = store.execute(&exactly(first.version), WALL);
    assert_eq!(past, Reply::List(vec![first.clone()], first.version));
    let future = store.execute(&exactly(Version(99)), WALL);
    assert!(matches!(future, Reply::Busy { .. }));
    store.compact(Version(first.version.0 + 1));
    assert_eq!(store.execute(&exactly(first.version), WALL), Reply::Gone);
    let now = store.execute(&exactly(store.version()), WALL);
    assert!(matches!(now, Reply::List(all, _) if all.len() == 1));
}

#[test]
fn watch_tells_each_event_of_its_selection_once() {
    let mut store = Store::default();
    let before = store.version();
    created(&mut store, "t1", ticket("l", None));
    created(&mut store, "t2", ticket("other", None));
    let selector = Selector::Labels(locks("l"));
    store.edit(&"t2".into(), |lease| lease.labels = locks("l"));
    store.delete(&"t1".into(), None, None);
    let mut told = Vec::new();
    let mut at = before;
    while let Some((sight, version)) = store.next_event(&selector, at).expect("not compacted") {
        told.push(sight);
        at = version;
    }
    assert!(matches!(&told[..], [
        Sight::Added(first),
        Sight::Added(moved),
        Sight::Deleted(gone),
    ] if first.name.as_str() == "t1" && moved.name.as_str() == "t2" && gone.version == at));
    store.compact(at);
    assert!(store.next_event(&selector, before).is_err());
}

#[test]
fn collector_deletes_what_a_deleted_lease_owned() {
    let mut store = Store::default();
    let session = created(&mut store, "s", draft("a"));
    let owner = Some((session.name.clone(), session.uid));
    created(&mut store, "t", ticket("l", owner));
    assert!(!store.collect());
    store.delete(&session.name, None, None);
    created(&mut store, "s", draft("a"));
    assert!(store.collect(), "the new one of that name owns nothing");
    assert!(store.object(&"t".into()).is_none());
}

#[test]
fn restored_store_counts_again_from_its_backup() {
    let mut store = Store::default();
    created(&mut store, "a", draft("a"));
    let snapshot = store.snapshot();
    let then = store.version();
    let lost = created(&mut store, "b", draft("b"));
    store.restore(&snapshot);
    assert_eq!(store.version(), then);
    let again = created(&mut store, "c", draft("c"));
    assert_eq!(again.version, lost.version);
    assert_ne!(again.uid, lost.uid);
}

#[test]
fn register_refuses_a_lower_token_but_not_a_deletion() {
    let mut register = Register::default();
    register.create();
    let Write::Done(old) = register.update(Token(5)) else {
        panic!("claimed");
    };
    assert!(matches!(register.update(Token(7)), Write::Done(_)));
    assert_eq!(register.update(Token(5)), Write::Fenced);
    assert_eq!(register.delete(old, Token(5)), Write::Conflict);
    let (version, _) = register.read().expect("present");
    assert_eq!(register.delete(version, Token(5)), Write::Stale);
}
