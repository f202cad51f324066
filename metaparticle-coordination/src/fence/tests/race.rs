//! Rule F1 under a race: many writers, each with tokens of its own, at one object.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};

use super::{KEY, Server, token};

const WRITERS: u64 = 8;
const ROUNDS: u64 = 60;

/// Half of them swap, half patch blindly; none looks at the token that is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real API server: cargo xtask contract"]
async fn racing_writers_never_decrease_the_token() {
    let server = Server::fencing().await;
    let first = server.map("prices", Some(0)).await;
    let watched = tokio::spawn(watch(server.maps(), first.resource_version().unwrap()));
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (maps, counts) = (server.maps(), Arc::clone(&counts));
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    // Each round has every token once, in another order for each writer.
                    let stated = round * WRITERS + (writer * 3 + round * 5) % WRITERS;
                    let answer = if writer % 2 == 0 {
                        let patch = Patch::Merge(token(stated));
                        maps.patch("prices", &PatchParams::default(), &patch).await
                    } else {
                        let mut map = maps.get("prices").await.unwrap();
                        map.annotations_mut()
                            .insert(KEY.to_owned(), stated.to_string());
                        maps.replace("prices", &PostParams::default(), &map).await
                    };
                    let refused = match answer {
                        Ok(_) => false,
                        Err(kube::Error::Api(status)) if matches!(status.code, 409 | 422) => true,
                        Err(error) => panic!("{error}"),
                    };
                    counts[usize::from(refused)].fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let last = super::merge(&server.maps(), "prices", None, &token(u64::from(u32::MAX))).await;
    let last = last.unwrap().resource_version().unwrap();
    let seen = watched.await.unwrap();
    assert_eq!(seen.last().unwrap().0, last);
    assert!(
        seen.windows(2).all(|pair| pair[0].1 <= pair[1].1),
        "{seen:?}"
    );
    let [accepted, refused] = [0, 1].map(|which| counts[which].load(Ordering::Relaxed));
    assert!(
        accepted > 0 && refused > 0,
        "{accepted} accepted, {refused} refused"
    );
    println!(
        "{accepted} writes accepted, {refused} refused, {} seen, 0 decreases",
        seen.len()
    );
    server.end().await;
}

/// Version and token of each state, up to the one that is marked as the last.
async fn watch(
    maps: kube::Api<k8s_openapi::api::core::v1::ConfigMap>,
    from: String,
) -> Vec<(String, u64)> {
    use futures::TryStreamExt as _;
    use kube::api::{WatchEvent, WatchParams};
    let params = WatchParams::default().fields("metadata.name=prices");
    let mut events = std::pin::pin!(maps.watch(&params, &from).await.unwrap());
    let mut seen = Vec::new();
    while let Some(event) = events.try_next().await.unwrap() {
        if let WatchEvent::Modified(map) = event {
            let token: u64 = map.annotations()[KEY].parse().unwrap();
            seen.push((map.resource_version().unwrap(), token));
            if token == u64::from(u32::MAX) {
                break;
            }
        }
    }
    seen
}
