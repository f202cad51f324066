//! The server as clients see it: over its port, with its kubeconfig.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{Handler, Server, connection::connection};
use crate::api::{
    failure::Failure,
    kubelet::{Kubelet, LogOptions},
    resource,
    serve::Body,
};

/// Answers with the size of the body; all its pods listen on one port.
struct Fake {
    port: u16,
}

impl Handler for Fake {
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'_, Response<Body>> {
        let text = json!({"path": request.uri().path(), "size": request.body().len()}).to_string();
        Box::pin(async move { Response::new(Body::new(Full::from(text))) })
    }

    fn find_pod(&self, _: &str, pod: &str) -> Result<(), Failure> {
        if pod == "unknown" {
            return Err(Failure::not_found(&resource::POD, pod));
        }
        Ok(())
    }

    fn dial<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<TcpStream>> {
        Box::pin(async move {
            if port == 81 {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            TcpStream::connect(("127.0.0.1", self.port)).await
        })
    }
}

async fn start() -> (Server, Client) {
    let server = Server::start(Arc::new(Fake { port: echo().await }))
        .await
        .unwrap();
    let client = client(&server.kubeconfig("default")).await;
    (server, client)
}

async fn client(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    Client::try_from(
        Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap(),
    )
    .unwrap()
}

/// A server that says what it hears.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                tokio::io::copy(&mut reader, &mut writer).await
            });
        }
    });
    port
}

fn request(method: &str, body: Vec<u8>) -> Request<Vec<u8>> {
    Request::builder()
        .method(method)
        .uri("/api/v1/pods")
        .body(body)
        .unwrap()
}

async fn code(client: &Client, request: Request<Vec<u8>>) -> u16 {
    match client.request::<Value>(request).await {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_kubeconfig_is_all_that_a_client_needs() {
    let (_server, client) = start().await;
    let answer: Value = client.request(request("POST", vec![0; 7])).await.unwrap();
    assert_eq!(answer, json!({"path": "/api/v1/pods", "size": 7}));
}

#[tokio::test]
async fn without_the_token_or_with_another_nothing_is_answered_but_401() {
    let (server, _) = start().await;
    let right = server.kubeconfig("default");
    let start = right.find("token: ").unwrap() + 7;
    let end = start + right[start..].find('\n').unwrap();
    for token in ["wrong", ""] {
        let mut kubeconfig = right.clone();
        kubeconfig.replace_range(start..end, &format!("{token:?}"));
        let client = client(&kubeconfig).await;
        let error = client
            .request::<Value>(request("GET", Vec::new()))
            .await
            .unwrap_err();
        let kube::Error::Api(status) = error else {
            panic!("{error}");
        };
        assert_eq!((status.code, status.reason.as_str()), (401, "Unauthorized"));
        assert_eq!(status.message, "Unauthorized");
        let pods: Api<Pod> = Api::default_namespaced(client);
        let refused = pods.portforward("a", &[80]).await.err().unwrap();
        assert!(format!("{refused:?}").contains("401"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_as_the_real_server_does() {
    let (_server, client) = start().await;
    assert_eq!(
        code(&client, request("POST", vec![b'a'; 3 << 20])).await,
        200
    );
    let error = client
        .request::<Value>(request("POST", vec![b'a'; (3 << 20) + 1]))
        .await;
    let Err(kube::Error::Api(status)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        (status.code, status.reason.as_str()),
        (413, "RequestEntityTooLarge")
    );
    assert_eq!(status.message, "Request entity too large: limit is 3145728");
    assert_eq!(
        code(&client, request("POST", vec![b'a'; 10 << 20])).await,
        413
    );
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_keep_others_waiting() {
    let (server, client) = start().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(server.address()).await.unwrap());
    }
    let answered = timeout(
        Duration::from_secs(5),
        code(&client, request("GET", Vec::new())),
    )
    .await;
    assert_eq!(answered, Ok(200));
}

#[tokio::test]
async fn connections_end_with_the_server() {
    let (server, client) = start().await;
    let pods: Api<Pod> = Api::default_namespaced(client);
    let mut forwarder = pods.portforward("a", &[80]).await.unwrap();
    let mut stream = forwarder.take_stream(80).unwrap();
    let address = server.address();
    drop(server);
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the forwarded connection ends");
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn ports_are_forwarded_both_ways_and_side_by_side() {
    let (_server, client) = start().await;
    let pods: Api<Pod> = Api::default_namespaced(client);
    let mut forwarder = pods.portforward("a", &[80, 82]).await.unwrap();
    for port in [80, 82] {
        let mut stream = forwarder.take_stream(port).unwrap();
        let sent: Vec<u8> = (0..1_000_000u32).map(|it| it.to_le_bytes()[0]).collect();
        let mut heard = vec![0; sent.len()];
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        let both = async { tokio::join!(writer.write_all(&sent), reader.read_exact(&mut heard)) };
        let (written, read) = timeout(Duration::from_secs(20), both).await.unwrap();
        written.unwrap();
        read.unwrap();
        assert!(heard == sent, "port {port}");
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_said_on_its_channel_of_errors() {
    let (_server, client) = start().await;
    let pods: Api<Pod> = Api::default_namespaced(client);
    let mut forwarder = pods.portforward("a", &[81]).await.unwrap();
    let error = forwarder.take_error(81).unwrap().await.unwrap();
    assert_eq!(
        error,
        "error forwarding port 81 to pod default/a: connection refused"
    );
}

#[tokio::test]
async fn ports_of_a_pod_that_is_not_there_are_not_forwarded() {
    let (_server, client) = start().await;
    let pods: Api<Pod> = Api::default_namespaced(client);
    let refused = pods.portforward("unknown", &[80]).await.err().unwrap();
    assert!(format!("{refused:?}").contains("404"), "{refused:?}");
}

#[tokio::test]
async fn what_kubectl_speaks_is_declined_in_one_sentence() {
    let path = "/api/v1/namespaces/a/pods/b/portforward?ports=80";
    for (upgrade, protocol) in [
        ("SPDY/3.1", "portforward.k8s.io"),
        ("websocket", "SPDY/3.1+portforward.k8s.io"),
    ] {
        let request = Request::get(path)
            .header("host", "a")
            .header("connection", "upgrade")
            .header("upgrade", upgrade)
            .header("sec-websocket-protocol", protocol)
            .header("sec-websocket-key", "a");
        let (code, status) = in_memory(request.body(Full::<Bytes>::default()).unwrap()).await;
        assert_eq!(code, 501, "{upgrade}");
        assert!(
            status["message"]
                .as_str()
                .unwrap()
                .contains("kubectl port-forward"),
            "{status}"
        );
    }
}

#[tokio::test]
async fn forwarding_takes_an_upgrade() {
    let path = "/api/v1/namespaces/a/pods/b/portforward?ports=80";
    let request = Request::get(path).header("host", "a");
    let (code, status) = in_memory(request.body(Full::<Bytes>::default()).unwrap()).await;
    assert_eq!(
        (code.as_u16(), &status["message"]),
        (400, &json!("Upgrade request required"))
    );
}

#[tokio::test]
async fn a_connection_in_memory_needs_no_token() {
    let request = Request::get("/version").header("host", "a");
    let (code, answer) = in_memory(request.body(Full::<Bytes>::default()).unwrap()).await;
    assert_eq!(
        (code.as_u16(), answer),
        (200, json!({"path": "/version", "size": 0}))
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up_after_a_minute() {
    let head = "POST /api/v1/pods HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc";
    let answer = said_to_silence(head).await;
    assert!(
        answer.starts_with("HTTP/1.1 504 Gateway Timeout"),
        "{answer}"
    );
    assert!(
        answer.contains("request did not complete within the allotted timeout"),
        "{answer}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_is_given_up_after_two_minutes() {
    assert_eq!(
        said_to_silence("GET /api/v1/pods HTTP/1.1\r\nhost: ").await,
        ""
    );
}

/// All that is answered to this text before the server closes the connection.
async fn said_to_silence(text: &str) -> String {
    let (mut ours, theirs) = duplex(64 << 10);
    tokio::spawn(connection(theirs, Arc::new(Fake { port: 0 })));
    ours.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let three_minutes = Duration::from_secs(180);
    timeout(three_minutes, ours.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

#[tokio::test]
async fn a_client_in_this_process_forwards_ports_too() {
    struct Node(u16);
    impl Kubelet for Node {
        fn logs(
            &self,
            _: &str,
            pod: &str,
            _: LogOptions,
        ) -> Result<BoxStream<'static, Bytes>, Failure> {
            Err(Failure::not_found(&resource::POD, pod))
        }

        fn dial(&self, _: &str, _: &str, _: u16) -> BoxFuture<'static, io::Result<TcpStream>> {
            let port = self.0;
            Box::pin(TcpStream::connect(("127.0.0.1", port)))
        }
    }
    let api = crate::api::Api::new(None);
    api.set_kubelet(Arc::new(Node(echo().await)));
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    });
    api.create(&resource::POD, "default", pod, "test").unwrap();
    let pods: Api<Pod> = Api::default_namespaced(crate::client::client(&api, "test"));
    let mut forwarder = pods.portforward("a", &[80]).await.unwrap();
    let mut stream = forwarder.take_stream(80).unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    let read = timeout(Duration::from_secs(5), stream.read_exact(&mut heard)).await;
    read.unwrap().unwrap();
    assert_eq!(&heard, b"hello");
    let refused = pods.portforward("b", &[80]).await.err().unwrap();
    assert!(format!("{refused:?}").contains("404"), "{refused:?}");
}

async fn in_memory(request: Request<Full<Bytes>>) -> (StatusCode, Value) {
    let (ours, theirs) = duplex(64 << 10);
    tokio::spawn(connection(theirs, Arc::new(Fake { port: 0 })));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours))
        .await
        .unwrap();
    tokio::spawn(connection.with_upgrades());
    let answer = sender.send_request(request).await.unwrap();
    let code = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (code, serde_json::from_slice(&body).unwrap())
}
