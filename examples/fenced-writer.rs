//! The API server refuses what a deposed leader sends: here a write that was under way for too long. Needs a real cluster,
//! because the embedded one has no admission policies, and rights of its own beside those that are generated:
//! ```sh
//! kubectl create configmap prices
//! kubectl create role prices --verb=get,patch --resource=configmaps --resource-name=prices
//! kubectl create rolebinding prices --role=prices --serviceaccount=NAMESPACE:fenced-writer
//! METAPARTICLE_CONTEXT=… METAPARTICLE_REPOSITORY=… cargo run --bin fenced-writer
//! ```

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use metaparticle::election::Term;
use serde_json::json;
use tokio::time::sleep;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[metaparticle::containerize(coordination(policy))]
#[metaparticle::replicated(replicas = 2)]
#[tokio::main]
async fn main() -> Result<()> {
    loop {
        write_prices().await?;
    }
}

/// One term: a few fenced writes, then the other replica's turn.
#[metaparticle::leader("prices")]
async fn write_prices(term: Term) -> Result<()> {
    let client = Client::try_default().await?;
    let (fence, token) = (term.fence(), term.token());
    // First the claim: from here on nothing of earlier terms gets through.
    let maps = Api::<ConfigMap>::default_namespaced(client.clone());
    let mut prices = fence.api(maps.clone()).claim("prices").await?;
    println!("token {token} has claimed the prices");
    tokio::spawn(late(maps, fence.annotation(), token));
    for tea in 1..=3 {
        let price = json!({ "data": { "tea": tea.to_string() } });
        prices
            .patch(&PatchParams::default(), &Patch::Merge(price))
            .await?;
        println!("token {token} has written: tea is {tea}");
        sleep(Duration::from_millis(300)).await;
    }
    term.step_down().await?;
    Ok(())
}

/// Leaves in time and arrives too late. It checks nothing: only the API server can refuse it.
async fn late(maps: Api<ConfigMap>, annotation: String, token: u64) {
    sleep(Duration::from_secs(3)).await;
    let stale = json!({
        "metadata": { "annotations": { annotation: token.to_string() } },
        "data": { "tea": "stale" },
    });
    let sent = maps
        .patch("prices", &PatchParams::default(), &Patch::Merge(stale))
        .await;
    match sent {
        Ok(_) => println!("token {token} came late, and nobody has claimed since"),
        Err(refusal) => println!("token {token} came late and was refused: {refusal}"),
    }
}
