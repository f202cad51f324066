//! Connections through an open port.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// What an endpoint may take to accept; it is on this machine.
const PATIENCE: Duration = Duration::from_secs(1);

/// After an error of the listener: often too many open files, which passes.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until the sender is dropped, then waits for the last one to end. Each is forwarded, beginning with
/// the endpoint after the one of the connection before.
pub(super) async fn serve(listener: TcpListener, mut backends: watch::Receiver<Arc<[SocketAddr]>>) {
    let mut connections = JoinSet::new();
    let mut turn = 0_usize;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            changed = backends.changed() => match changed {
                Ok(()) => continue,
                Err(_) => break,
            },
        };
        match accepted {
            Ok((client, _)) => {
                let backends = backends.borrow().clone();
                connections.spawn(async move {
                    // Either side may end a connection as it likes.
                    let _ = forward(client, &backends, turn).await;
                });
                turn = turn.wrapping_add(1);
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Connects to the first endpoint that accepts; without one the client's connection ends.
async fn forward(mut client: TcpStream, backends: &[SocketAddr], turn: usize) -> io::Result<()> {
    client.set_nodelay(true)?;
    let start = turn % backends.len().max(1);
    let (before, from) = backends.split_at(start);
    for backend in from.iter().chain(before) {
        if let Ok(Ok(mut server)) = timeout(PATIENCE, TcpStream::connect(backend)).await {
            server.set_nodelay(true)?;
            copy_bidirectional(&mut client, &mut server).await?;
            return Ok(());
        }
    }
    Ok(())
}
