//! What one API server does in a second: writes, and a write that many watchers hear of.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams, WatchEvent, WatchParams},
};
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::{ROUNDS, Result, figure};

const WATCHERS: usize = 1000;

/// Both, in a namespace of its own.
pub(crate) async fn measure(server: &str, client: &Client) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace: Namespace =
        serde_json::from_value(json!({"metadata": {"generateName": "bench-"}}))?;
    let namespace = namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    let name = namespace.metadata.name.ok_or("a name")?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &name);
    writes(server, &maps).await?;
    fan_out(server, &maps).await?;
    namespaces.delete(&name, &DeleteParams::default()).await?;
    Ok(())
}

fn map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: kube::api::ObjectMeta {
            name: Some(name.to_owned()),
            ..Default::default()
        },
        data: Some([("key".to_owned(), "value".to_owned())].into()),
        ..ConfigMap::default()
    }
}

/// Creates, 32 at a time, for about two seconds each round.
async fn writes(server: &str, maps: &Api<ConfigMap>) -> Result<()> {
    let mut rates = Vec::new();
    for round in 0..ROUNDS {
        let begin = Instant::now();
        let end = begin + Duration::from_secs(2);
        let written: Vec<()> = stream::iter(0_u32..)
            .take_while(|_| std::future::ready(Instant::now() < end))
            .map(|number| async move {
                let map = map(&format!("m-{round}-{number}"));
                maps.create(&PostParams::default(), &map).await.map(drop)
            })
            .buffer_unordered(32)
            .try_collect()
            .await?;
        let written = u32::try_from(written.len())?;
        rates.push(f64::from(written) / begin.elapsed().as_secs_f64());
        maps.delete_collection(&DeleteParams::default(), &ListParams::default())
            .await?;
    }
    figure(server, "writes a second to one kind", &mut rates, "1/s");
    Ok(())
}

/// From a write until the last of the watchers has heard of it.
async fn fan_out(server: &str, maps: &Api<ConfigMap>) -> Result<()> {
    let (heard, mut hearing) = mpsc::unbounded_channel();
    let open = (0..WATCHERS).map(|_| async {
        let mut events = maps
            .watch(&WatchParams::default().timeout(280), "0")
            .await?
            .boxed();
        let heard = heard.clone();
        Ok::<_, kube::Error>(tokio::spawn(async move {
            while let Some(Ok(event)) = events.next().await {
                let name = match event {
                    WatchEvent::Added(map) => map.metadata.name,
                    _ => None,
                };
                if name.is_some_and(|name| name.starts_with("heard-")) {
                    let _ = heard.send(());
                }
            }
        }))
    });
    let watchers = try_join_all(open).await?;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let begin = Instant::now();
        maps.create(&PostParams::default(), &map(&format!("heard-{round}")))
            .await?;
        for _ in 0..WATCHERS {
            timeout(Duration::from_secs(60), hearing.recv())
                .await?
                .ok_or("the watchers are there")?;
        }
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    for watcher in watchers {
        watcher.abort();
    }
    figure(server, "a write heard by 1,000 watchers", &mut times, "ms");
    Ok(())
}
