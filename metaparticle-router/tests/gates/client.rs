//! Clients of gates.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection of HTTP/1.1.
pub(crate) struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
}

/// Connects.
pub(crate) async fn connect(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    Client { sender }
}

impl Client {
    /// Sends, and reads the whole response.
    pub(crate) async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Response<String> {
        request
            .headers_mut()
            .entry("host")
            .or_insert("app.example".parse().unwrap());
        self.sender.ready().await.unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(parts, String::from_utf8_lossy(&body).into_owned())
    }

    /// Asks for a path.
    pub(crate) async fn get(&mut self, path: &str) -> Response<String> {
        let request = Request::get(path).body(Full::default()).unwrap();
        self.send(request).await
    }

    /// Posts text to a path.
    pub(crate) async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Response<String> {
        let request = Request::post(path).body(Full::new(body.into())).unwrap();
        self.send(request).await
    }
}

/// Asks for a path on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Response<String> {
    connect(address).await.get(path).await
}

/// The value of a header, or nothing.
pub(crate) fn header<'a, B>(response: &'a Response<B>, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}
