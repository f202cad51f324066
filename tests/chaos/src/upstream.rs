//! Connections to the API server, as an administrator.

use std::{io, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where the API server is, and how to be somebody there.
#[derive(Clone)]
pub struct Upstream {
    port: u16,
    tls: TlsConnector,
    authorization: HeaderValue,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    send: SendRequest<Full<Bytes>>,
    authorization: HeaderValue,
}

impl Upstream {
    /// On this port of loopback, trusted by this authority (PEM), with this bearer token.
    ///
    /// # Errors
    /// If the authority or the token cannot be read.
    pub fn new(port: u16, authority: &str, token: &str) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let authority =
            CertificateDer::from_pem_slice(authority.as_bytes()).map_err(io::Error::other)?;
        roots.add(authority).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            port,
            tls: TlsConnector::from(Arc::new(config)),
            authorization: HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(io::Error::other)?,
        })
    }

    /// Connects.
    ///
    /// # Errors
    /// If nobody answers there.
    pub async fn connect(&self) -> io::Result<Connection> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into());
        let tls = self.tls.connect(name, tcp).await?;
        let (send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Connection {
            send,
            authorization: self.authorization.clone(),
        })
    }
}

impl Connection {
    /// Whether another request can be sent on it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.send.is_closed()
    }

    /// Sends a request.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1"));
        self.send.ready().await?;
        self.send.send_request(request).await
    }
}
