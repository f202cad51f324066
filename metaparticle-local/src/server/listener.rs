//! [`Server`]: the listener on loopback.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{Handler, connection, kubeconfig, tls, token::Token};

/// How long a client may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A running server. Dropping it closes its port and all connections.
#[derive(Debug)]
#[must_use]
pub(crate) struct Server {
    address: SocketAddr,
    authority: String,
    token: Token,
    _task: JoinSet<()>,
}

impl Server {
    /// Listens on a free port of 127.0.0.1, with a new certificate and a new token.
    ///
    /// # Errors
    ///
    /// If there is no port, or no random numbers.
    pub(crate) async fn start<H: Handler>(handler: Arc<H>) -> io::Result<Self> {
        let (config, authority) = tls::new()?;
        let token = Token::random()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut task = JoinSet::new();
        task.spawn(accept(listener, config.into(), handler, token.clone()));
        Ok(Self {
            address,
            authority,
            token,
            _task: task,
        })
    }

    /// Where it listens.
    #[cfg(test)]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The kubeconfig for it, as text. It holds the token.
    pub(crate) fn kubeconfig(&self, namespace: &str) -> String {
        kubeconfig::text(self.address, &self.authority, self.token.text(), namespace)
    }

    /// Writes the kubeconfig, readable for this user only.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or a symbolic link is in its place.
    pub(crate) fn write_kubeconfig(&self, path: &Path, namespace: &str) -> io::Result<()> {
        kubeconfig::write(path, &self.kubeconfig(namespace))
    }
}

async fn accept<H: Handler>(
    listener: TcpListener,
    tls: TlsAcceptor,
    handler: Arc<H>,
    token: Token,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (tls, handler, token) = (tls.clone(), Arc::clone(&handler), token.clone());
                    connections.spawn(shake_and_serve(stream, tls, handler, token));
                }
                Err(error) => {
                    // Too many open files, most likely: some will close.
                    tracing::debug!(%error, "no connection could be accepted");
                    sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn shake_and_serve<H: Handler>(
    stream: TcpStream,
    tls: TlsAcceptor,
    handler: Arc<H>,
    token: Token,
) {
    let _ = stream.set_nodelay(true);
    match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => connection::serve(stream, handler, Some(token)).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}
