//! The proxy with real sockets.

use std::{future::Future, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::*;

struct Fixture {
    api: Api,
    proxy: Proxy,
}

impl Fixture {
    fn new() -> Self {
        let api = Api::new(None);
        let proxy = start(&api, ProxyConfig::default());
        Self { api, proxy }
    }

    fn serve(&self, name: &str, port: u16) {
        let spec = json!({"selector": {"app": name}, "ports": [{"port": port}]});
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
        self.api
            .create(&resource::SERVICE, "default", service, "test")
            .unwrap();
    }

    /// One slice for each endpoint, as each has a port of its own.
    fn endpoint(&self, service: &str, address: SocketAddr) {
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": format!("{service}-{}", address.port()), "labels": {"kubernetes.io/service-name": service}},
            "endpoints": [{"addresses": [address.ip()], "conditions": {"ready": true}}],
            "ports": [{"port": address.port(), "name": ""}],
        });
        self.api
            .create(&resource::ENDPOINT_SLICE, "default", slice, "test")
            .unwrap();
    }

    fn remove(&self, resource: &'static resource::Resource, name: &str) {
        let options = crate::api::DeleteOptions::default();
        self.api
            .delete(resource, "default", name, &options)
            .unwrap();
    }

    async fn listening(&self, service: &str) -> Listening {
        let mut addresses = self.proxy.addresses();
        let is = |all: &Arc<[Listening]>| all.iter().any(|it| it.service == service);
        let all = soon(addresses.wait_for(is)).await.unwrap();
        all.iter().find(|it| it.service == service).unwrap().clone()
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), what)
        .await
        .expect("it takes too long")
}

/// A server that says its name and then echoes.
async fn server(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                stream.write_all(name.as_bytes()).await.unwrap();
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

/// A connection, and the name of its server; empty if there is none.
async fn connect(to: SocketAddr) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let mut name = [0];
    let got = soon(stream.read(&mut name)).await.unwrap_or(0);
    (stream, String::from_utf8(name[..got].to_vec()).unwrap())
}

/// Asks until the servers are these, in turn.
async fn until_served_by(to: SocketAddr, names: &[&str]) {
    soon(async {
        loop {
            let mut found = Vec::new();
            for _ in names {
                found.push(connect(to).await.1);
            }
            found.sort();
            if found == names {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

#[tokio::test]
async fn connections_go_to_the_endpoints_in_turn() {
    let fixture = Fixture::new();
    let port = free_port();
    fixture.serve("web", port);
    fixture.endpoint("web", server("a").await);
    fixture.endpoint("web", server("b").await);
    let listening = fixture.listening("web").await;
    assert_eq!((listening.asked, listening.actual.port()), (port, port));
    until_served_by(listening.actual, &["a", "b"]).await;
    until_served_by(listening.actual, &["a", "a", "b", "b"]).await;
}

#[tokio::test]
async fn an_endpoint_that_refuses_is_passed_over() {
    let fixture = Fixture::new();
    fixture.serve("web", free_port());
    fixture.endpoint("web", server("a").await);
    fixture.endpoint("web", ([127, 0, 0, 1], free_port()).into());
    let to = fixture.listening("web").await.actual;
    until_served_by(to, &["a", "a", "a"]).await;
}

#[tokio::test]
async fn connections_outlive_their_endpoint_and_their_service() {
    let fixture = Fixture::new();
    fixture.serve("web", free_port());
    let (a, b) = (server("a").await, server("b").await);
    fixture.endpoint("web", a);
    let to = fixture.listening("web").await.actual;
    until_served_by(to, &["a"]).await;
    let (mut stream, _) = connect(to).await;
    fixture.endpoint("web", b);
    fixture.remove(&resource::ENDPOINT_SLICE, &format!("web-{}", a.port()));
    until_served_by(to, &["b", "b"]).await;
    fixture.remove(&resource::SERVICE, "web");
    soon(async {
        while TcpStream::connect(to).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    stream.write_all(b"x").await.unwrap();
    let mut echo = [0];
    soon(stream.read_exact(&mut echo)).await.unwrap();
    assert_eq!(&echo, b"x");
}

#[tokio::test]
async fn a_port_in_use_is_stepped_over() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let fixture = Fixture::new();
    fixture.serve("web", port);
    let listening = fixture.listening("web").await;
    assert_eq!(listening.asked, port);
    assert_ne!(listening.actual.port(), port);
}

#[tokio::test]
async fn a_service_without_endpoints_ends_connections() {
    let fixture = Fixture::new();
    fixture.serve("web", free_port());
    let to = fixture.listening("web").await.actual;
    assert_eq!(connect(to).await.1, "");
}

#[tokio::test]
async fn dropping_the_proxy_closes_its_ports() {
    let fixture = Fixture::new();
    fixture.serve("web", free_port());
    let to = fixture.listening("web").await.actual;
    drop(fixture.proxy);
    soon(async {
        while TcpStream::connect(to).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_protocol_that_is_not_forwarded_is_said() {
    let fixture = Fixture::new();
    let spec = json!({"ports": [{"port": 53, "protocol": "UDP"}]});
    let service: Value =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dns"}, "spec": spec});
    fixture
        .api
        .create(&resource::SERVICE, "default", service, "test")
        .unwrap();
    let said = || {
        let events = fixture.api.list(&resource::EVENT, Some("default"));
        let mut messages = events.iter().map(|it| it["message"].clone());
        messages.any(|it| it == "the embedded cluster ignores port 53 (UDP; only TCP is forwarded)")
    };
    soon(async {
        while !said() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
