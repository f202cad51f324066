//! Holders one after the other, and what the deposed may still do.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
};
use metaparticle_local::{Cluster, api::fault::Requests};
use metaparticle_protocol::{fence::Kind, lease::Token};
use serde_json::json;

use super::{KEY, Server, hold, merge};
use crate::{
    clock::Clock,
    fence::{Error, Fence, Fenced},
    lost::Lost,
    word::{Keeper, incarnation},
};

fn say(text: &str) -> impl FnMut(&mut ConfigMap) {
    move |map| {
        let data = map.data.get_or_insert_default();
        data.insert("said".to_owned(), text.to_owned());
    }
}

fn said(map: &ConfigMap) -> Option<&str> {
    map.data.as_ref()?.get("said").map(String::as_str)
}

fn is_fenced<T: std::fmt::Debug>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Lost(Lost::Fenced)))
}

/// Two holds of one election, and their clients.
struct Two {
    server: Server,
    old: Fenced<ConfigMap>,
    new: Fenced<ConfigMap>,
    _keepers: [Keeper; 2],
}

impl Two {
    async fn start() -> Self {
        let server = Server::start().await;
        server.map("prices", None).await;
        let ((first, old), (second, new)) = (hold(5), hold(6));
        Self {
            old: old.api(server.maps()),
            new: new.api(server.maps()),
            server,
            _keepers: [first, second],
        }
    }
}

#[tokio::test]
async fn claim_writes_the_token_once_and_an_update_keeps_what_others_wrote() {
    let two = Two::start().await;
    let mut prices = two.old.claim("prices").await.unwrap();
    assert_eq!(prices.object().annotations()[KEY], "5");
    let version = prices.object().resource_version();
    let again = two.old.claim("prices").await.unwrap();
    assert_eq!(again.object().resource_version(), version);

    let others = json!({ "data": { "others": "kept" } });
    merge(&two.server.maps(), "prices", None, &others)
        .await
        .unwrap();
    let mut runs = 0;
    let map = prices.update(|map| {
        runs += 1;
        say("old")(map);
    });
    let map = map.await.unwrap().clone();
    assert_eq!(
        (said(&map), runs),
        (Some("old"), 2),
        "once more after the conflict"
    );
    assert_eq!(map.data.unwrap()["others"], "kept");
    two.server.end().await;
}

#[tokio::test]
async fn deposed_holder_can_neither_update_nor_delete_nor_claim_what_its_successor_claimed() {
    let two = Two::start().await;
    let mut prices = two.old.claim("prices").await.unwrap();
    let doomed = two.old.claim("prices").await.unwrap();
    let mut claimed = two.new.claim("prices").await.unwrap();
    assert!(is_fenced(&prices.update(say("stale")).await));
    // The hold is over for all its clients, at once.
    assert!(is_fenced(&two.old.claim("prices").await));
    assert!(is_fenced(&doomed.delete(&DeleteParams::default()).await));
    let map = claimed.update(say("new")).await.unwrap();
    assert_eq!((said(map), &*map.annotations()[KEY]), (Some("new"), "6"));
    two.server.end().await;
}

#[tokio::test]
async fn deposed_holder_finds_out_when_it_deletes_and_when_it_claims() {
    let two = Two::start().await;
    let prices = two.old.claim("prices").await.unwrap();
    two.new.claim("prices").await.unwrap();
    assert!(is_fenced(&prices.delete(&DeleteParams::default()).await));
    assert!(two.server.maps().get_opt("prices").await.unwrap().is_some());

    let (_keeper, other) = hold(4);
    assert_eq!(other.check(), Ok(()));
    assert!(is_fenced(
        &other.api(two.server.maps()).claim("prices").await
    ));
    assert_eq!(other.check(), Err(Lost::Fenced));
    two.server.end().await;
}

#[tokio::test]
async fn deletion_takes_a_version_that_bore_the_own_token_however_often_others_write() {
    let two = Two::start().await;
    let prices = two.new.claim("prices").await.unwrap();
    let others = json!({ "data": { "others": "wrote" } });
    merge(&two.server.maps(), "prices", None, &others)
        .await
        .unwrap();
    prices
        .clone()
        .delete(&DeleteParams::default())
        .await
        .unwrap();
    assert!(two.server.maps().get_opt("prices").await.unwrap().is_none());
    // What is gone is gone; what took its place was not claimed, and stays.
    two.server.map("prices", None).await;
    prices
        .clone()
        .delete(&DeleteParams::default())
        .await
        .unwrap();
    assert!(two.server.maps().get_opt("prices").await.unwrap().is_some());
    let mut prices = prices;
    let error = prices.update(say("into another")).await.unwrap_err();
    assert!(matches!(error, Error::Gone { .. }), "{error}");
    assert!(error.to_string().contains("configmaps/prices"), "{error}");
    two.server.end().await;
}

#[tokio::test]
async fn nothing_is_sent_once_the_hold_has_ended() {
    let server = Server::start().await;
    server.map("prices", None).await;
    let (keeper, fence) = hold(5);
    let maps = fence.api(server.maps());
    let mut prices = maps.claim("prices").await.unwrap();
    let version = prices.object().resource_version();
    keeper.invalidate(Lost::Deleted);
    let ended = |error: Error| assert!(matches!(error, Error::Lost(Lost::Deleted)), "{error}");
    ended(prices.update(say("late")).await.map(drop).unwrap_err());
    ended(maps.claim("prices").await.map(drop).unwrap_err());
    let patch = json!({ "data": { "said": "late" } });
    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
    let patched = prices.patch(&params, &patch).await;
    ended(patched.map(drop).unwrap_err());
    ended(prices.delete(&DeleteParams::default()).await.unwrap_err());
    let now = server.maps().get("prices").await.unwrap();
    assert_eq!(now.resource_version(), version);
    server.end().await;
}

#[tokio::test]
async fn patch_without_the_policy_is_refused_by_name_on_the_embedded_cluster() {
    let server = Server::start().await;
    if server.is_real {
        return server.end().await; // `endpoints` has the policy there
    }
    server.map("prices", None).await;
    let (_keeper, fence) = hold(5);
    let mut prices = fence.api(server.maps()).claim("prices").await.unwrap();
    let patch = Patch::Merge(json!({ "data": { "said": "patched" } }));
    tokio::time::pause(); // it is tried for a while
    let error = prices
        .patch(&PatchParams::default(), &patch)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "patch configmaps/prices is not fenced: the API server took a lower token in a dry run, so it has no fencing \
         policy (the embedded cluster never has one); apply fence::admission_policy(), or use `update`, which needs none"
    );
    assert_eq!(
        server.maps().get("prices").await.unwrap().annotations()[KEY],
        "5"
    );
    server.end().await;
}

#[tokio::test]
async fn token_that_somebody_took_off_is_put_back_before_the_deletion() {
    let server = Server::start().await;
    if server.is_real {
        return server.end().await; // the policy keeps it on there
    }
    server.map("prices", None).await;
    let (_keeper, fence) = hold(5);
    let prices = fence.api(server.maps()).claim("prices").await.unwrap();
    let off = json!({ "metadata": { "annotations": { KEY: null } } });
    merge(&server.maps(), "prices", None, &off).await.unwrap();
    let mut same = prices.clone();
    let map = same.update(say("mine")).await.unwrap();
    assert_eq!(map.annotations()[KEY], "5");
    merge(&server.maps(), "prices", None, &off).await.unwrap();
    prices.delete(&DeleteParams::default()).await.unwrap();
    server.end().await;
}

#[tokio::test]
async fn request_is_waited_for_no_longer_than_the_hold_lasts() {
    let cluster = Cluster::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client());
    let clock = Clock::system();
    let lease = Duration::from_millis(300);
    let (_keeper, held) = incarnation(clock, clock.now() + lease);
    let fence = Fence::new(Kind::Lock, "m".into(), Token(5), held);
    cluster.faults().hang(Requests::all(), 1);
    let begin = clock.now();
    let error = fence.api(maps).claim("prices").await.unwrap_err();
    assert!(matches!(error, Error::Lost(Lost::Expired)), "{error}");
    let took = clock.now().since(begin);
    assert!(took >= lease && took < lease * 10, "{took:?}");
}
