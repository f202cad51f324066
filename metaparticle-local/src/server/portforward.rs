//! Port-forwarding over a WebSocket, as kube-rs speaks it: `v4.channel.k8s.io`.
//!
//! A message is a channel and bytes. The port with index i has the channels 2i for data and 2i + 1 for one error; each
//! begins with the port's number, little-endian.

use std::sync::Arc;

use bytes::Bytes;
use futures::{
    SinkExt as _, StreamExt as _,
    future::{BoxFuture, join, join_all},
};
use http::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    header::{
        CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        UPGRADE,
    },
};
use http_body_util::Empty;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc::{Receiver, Sender, channel},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

use super::Handler;
use crate::api::{failure::Failure, serve::Body};

const PROTOCOL: &str = "v4.channel.k8s.io";

/// The most ports of one connection: a channel is a byte.
const MOST: usize = 128;

/// Messages that wait for a slow reader.
const WAITING: usize = 16;

/// What is to be forwarded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    namespace: String,
    pod: String,
    ports: Vec<u16>,
}

/// What a path asks to forward; none if it asks for something else.
pub(super) fn target(uri: &Uri) -> Option<Result<Target, Failure>> {
    let path = uri.path().strip_prefix("/api/v1/namespaces/")?;
    let [namespace, "pods", pod, "portforward"] = path.split('/').collect::<Vec<_>>()[..] else {
        return None;
    };
    Some(ports(uri.query().unwrap_or_default()).map(|ports| Target {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        ports,
    }))
}

/// Agrees to become a WebSocket: the answer, and what to do when it is one.
pub(super) fn accept<H: Handler>(
    request: &mut Request<Incoming>,
    target: Target,
    handler: &Arc<H>,
) -> Result<(Response<Body>, BoxFuture<'static, ()>), Failure> {
    handler.find_pod(&target.namespace, &target.pod)?;
    let key = websocket_key(request.method(), request.headers())?;
    if target.ports.is_empty() {
        return Err(Failure::bad_request(
            "query parameter \"ports\" is required",
        ));
    }
    let answer = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
        .header(SEC_WEBSOCKET_PROTOCOL, PROTOCOL)
        .body(Body::new(Empty::new()))
        .expect("these headers are well-formed");
    let upgrade = hyper::upgrade::on(request);
    Ok((
        answer,
        Box::pin(forward(upgrade, target, Arc::clone(handler))),
    ))
}

/// `ports=80,81`, also repeated.
fn ports(query: &str) -> Result<Vec<u16>, Failure> {
    let values = query.split('&').filter_map(|it| it.strip_prefix("ports="));
    let texts: Vec<String> = values
        .flat_map(|it| {
            it.replace("%2C", ",")
                .split(',')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    if texts.len() > MOST {
        return Err(Failure::bad_request(format!(
            "at most {MOST} ports at once"
        )));
    }
    let port = |text: &String| {
        let number: Option<u16> = text.parse().ok().filter(|it| *it != 0);
        number.ok_or_else(|| Failure::bad_request(format!("unable to parse {text:?} as a port")))
    };
    texts.iter().map(port).collect()
}

/// The key of the handshake, if there is one and it is for a protocol that is spoken here.
fn websocket_key(method: &Method, headers: &HeaderMap) -> Result<String, Failure> {
    let words = |name: HeaderName| -> Vec<String> {
        let all = headers.get_all(name).into_iter();
        all.filter_map(|it| it.to_str().ok())
            .flat_map(|it| it.split(','))
            .map(|it| it.trim().to_owned())
            .collect()
    };
    let upgrade = words(UPGRADE);
    let is = |protocol: &str| upgrade.iter().any(|it| it.eq_ignore_ascii_case(protocol));
    if is("websocket") && method == Method::GET {
        if !words(SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .any(|it| it == PROTOCOL)
        {
            return Err(unspoken());
        }
        let key = headers
            .get(SEC_WEBSOCKET_KEY)
            .and_then(|it| it.to_str().ok());
        return key
            .map(str::to_owned)
            .ok_or_else(|| Failure::bad_request("missing Sec-WebSocket-Key header"));
    }
    if is("SPDY/3.1") {
        return Err(unspoken());
    }
    Err(Failure::bad_request("Upgrade request required"))
}

fn unspoken() -> Failure {
    Failure::not_implemented(format!(
        "the embedded cluster forwards ports over WebSockets with the protocol {PROTOCOL} only, which kubectl \
         port-forward does not speak"
    ))
}

async fn forward<H: Handler>(upgrade: OnUpgrade, target: Target, handler: Arc<H>) {
    match upgrade.await {
        Ok(io) => {
            let socket =
                WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, None).await;
            pump(socket, &target, &*handler).await;
        }
        Err(error) => tracing::debug!(%error, "a connection did not become a WebSocket"),
    }
}

/// Moves bytes until the client closes, or all ports are done.
async fn pump<S, H>(socket: WebSocketStream<S>, target: &Target, handler: &H)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    let (mut sink, mut stream) = socket.split();
    let (out, mut outgoing) = channel::<Message>(WAITING);
    let (inputs, receivers): (Vec<_>, Vec<_>) = target
        .ports
        .iter()
        .map(|_| channel::<Bytes>(WAITING))
        .unzip();
    let ports = target.ports.iter().zip(receivers).zip((0u8..).step_by(2));
    let ports = join_all(ports.map(|((port, input), data)| {
        let out = Channels {
            data,
            out: out.clone(),
        };
        one_port(target, *port, handler, input, out)
    }));
    drop(out);
    let send = async {
        while let Some(message) = outgoing.recv().await {
            if sink.send(message).await.is_err() {
                return;
            }
        }
        let _ = sink.close().await;
    };
    let receive = async {
        while let Some(Ok(message)) = stream.next().await {
            match message {
                Message::Binary(mut bytes) if !bytes.is_empty() => {
                    let channel = usize::from(bytes.split_to(1)[0]);
                    // Clients have nothing to say on the channels of errors.
                    if channel % 2 == 0
                        && let Some(input) = inputs.get(channel / 2)
                    {
                        let _ = input.send(bytes).await;
                    }
                }
                Message::Close(_) => break,
                _ => {}
            }
        }
    };
    tokio::select! {
        _ = join(ports, send) => {}
        () = receive => {}
    }
}

/// The two channels of a port, to the client.
struct Channels {
    data: u8,
    out: Sender<Message>,
}

impl Channels {
    /// False if the client is gone.
    async fn send(&self, channel: u8, bytes: &[u8]) -> bool {
        let message = [&[channel], bytes].concat();
        self.out.send(Message::binary(message)).await.is_ok()
    }
}

async fn one_port<H: Handler>(
    target: &Target,
    port: u16,
    handler: &H,
    mut input: Receiver<Bytes>,
    client: Channels,
) {
    let data = client.data;
    for channel in [data, data + 1] {
        client.send(channel, &port.to_le_bytes()).await;
    }
    let (namespace, pod) = (&target.namespace, &target.pod);
    let stream = match handler.dial(namespace, pod, port).await {
        Ok(stream) => stream,
        Err(error) => {
            let message = format!("error forwarding port {port} to pod {namespace}/{pod}: {error}");
            client.send(data + 1, message.as_bytes()).await;
            return;
        }
    };
    let (mut reader, mut writer) = stream.into_split();
    let from_pod = async {
        let mut buffer = vec![0; 32 << 10];
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            if !client.send(data, &buffer[..read]).await {
                break;
            }
        }
    };
    let to_pod = async {
        while let Some(bytes) = input.recv().await {
            if writer.write_all(&bytes).await.is_err() {
                break;
            }
        }
        // The pod may still answer.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = from_pod => {}
        () = to_pod => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str) -> Option<Result<Target, u16>> {
        let asked = target(&uri.parse().unwrap())?;
        Some(asked.map_err(|failure| failure.code))
    }

    #[test]
    fn ports_are_given_with_commas_or_one_by_one() {
        let path = "/api/v1/namespaces/a/pods/b/portforward";
        for query in ["ports=80,81", "ports=80&ports=81", "ports=80%2C81"] {
            let target = asked(&format!("{path}?{query}")).unwrap().unwrap();
            assert_eq!(target.ports, [80, 81], "{query}");
            assert_eq!((target.namespace.as_str(), target.pod.as_str()), ("a", "b"));
        }
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for query in ["ports=0", "ports=a", "ports=70000", "ports=80,"] {
            let path = "/api/v1/namespaces/a/pods/b/portforward";
            assert_eq!(asked(&format!("{path}?{query}")), Some(Err(400)), "{query}");
        }
        let many = "1,".repeat(200);
        let path = format!("/api/v1/namespaces/a/pods/b/portforward?ports={many}1");
        assert_eq!(asked(&path), Some(Err(400)));
    }

    #[test]
    fn other_paths_are_not_for_forwarding() {
        for path in [
            "/api/v1/namespaces/a/pods/b",
            "/api/v1/namespaces/a/pods/b/log",
            "/api/v1/namespaces/a/pods/b/portforward/c",
            "/api/v1/namespaces/a/services/b/portforward",
        ] {
            assert_eq!(asked(path), None, "{path}");
        }
    }
}
