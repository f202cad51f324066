//! [`join`]: a WebSocket's two connections, joined until one ends or the slot moves.

use std::{future::pending, pin::pin};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use crate::{flight::Flight, ownership::Admission, race::first, stream::Broken};

/// Copies both ways until both have ended, one breaks, or the slot begins to move: a client that connects again reaches the
/// new owner.
pub(crate) async fn join<A: Admission>(
    client: OnUpgrade,
    upstream: OnUpgrade,
    admission: Option<A>,
    mut flight: Flight,
) {
    let copied = async {
        let (Ok(client), Ok(upstream)) = (client.await, upstream.await) else {
            return None;
        };
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        if let Err(error) = copy_bidirectional(&mut client, &mut upstream).await {
            tracing::debug!(%error, "an upgraded connection broke");
        }
        None
    };
    let moving = admission.as_ref().map(|it| (it.draining(), it.lost()));
    let cut = async {
        match moving {
            None => pending().await,
            Some((draining, lost)) => first(pin!(draining), pin!(lost)).await,
        }
        Some(Broken::Cut)
    };
    if let Some(why) = first(pin!(copied), pin!(cut)).await {
        flight.broken(Some(why));
    }
    drop(admission);
}
