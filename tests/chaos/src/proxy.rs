//! Between one process and the API server: plain HTTP on a port of its own, so that this one process's network can be
//! frozen with its sockets open, cut, or answered by a storm, and its requests counted.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, duplex, split},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::{
    clock::now,
    random::Random,
    upstream::{Connection, Upstream},
};

/// What the network does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// Carries all.
    #[default]
    Open,
    /// Carries nothing; all sockets stay open, new ones are accepted.
    Frozen,
    /// Carries requests, no replies.
    RepliesFrozen,
    /// Carries replies, no requests.
    RequestsFrozen,
    /// All connections are reset, new ones too.
    Cut,
}

/// What the proxy answers by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storm {
    /// Nothing.
    #[default]
    None,
    /// 409 to so many of a hundred updates and patches.
    Conflict(u64),
    /// 429 with `Retry-After: 1` to so many of a hundred requests.
    TooMany(u64),
    /// So many of a hundred writes are carried out, and the connection is closed without an answer.
    Unanswered(u64),
    /// The reply to each write comes this much later.
    Slow(Duration),
}

/// One request that came through, or was answered here.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it came.
    pub at: i64,
    /// Which method, or `WATCH`.
    pub verb: String,
    /// Path and query.
    pub path: String,
    /// What was answered, 0 if nothing.
    pub status: u16,
}

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    flow: watch::Sender<Flow>,
    storm: Mutex<(Storm, Random)>,
    seen: Mutex<Vec<Seen>>,
}

type Body = Either<Full<Bytes>, Incoming>;

impl Proxy {
    /// Starts one before this API server.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn start(upstream: Upstream, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            flow: watch::Sender::default(),
            storm: Mutex::new((Storm::None, Random::new(seed))),
            seen: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// What the process is told to be the API server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what the network does.
    pub fn flow(&self, flow: Flow) {
        self.shared.flow.send_replace(flow);
    }

    /// Changes what the proxy answers.
    pub fn storm(&self, storm: Storm) {
        self.shared
            .storm
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0 = storm;
    }

    /// All requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Ends all connections when this task is ended.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(connection(socket, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(socket: TcpStream, shared: Arc<Shared>) {
    let _ = socket.set_nodelay(true);
    let mut flow = shared.flow.subscribe();
    let (near, far) = duplex(64 * 1024);
    // A request that has left the process reaches the server, also if the process has hung up since.
    tokio::spawn(serve(far, shared));
    let carried = carry(socket, near, flow.clone());
    tokio::select! {
        () = carried => {}
        _ = flow.wait_for(|it| *it == Flow::Cut) => {}
    }
}

async fn carry(socket: TcpStream, near: tokio::io::DuplexStream, flow: watch::Receiver<Flow>) {
    let (from_process, to_process) = socket.into_split();
    let (from_server, to_server) = split(near);
    let requests = [Flow::Open, Flow::RepliesFrozen, Flow::Cut];
    let replies = [Flow::Open, Flow::RequestsFrozen, Flow::Cut];
    tokio::join!(
        pump(from_process, to_server, flow.clone(), requests),
        pump(from_server, to_process, flow, replies),
    );
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut flow: watch::Receiver<Flow>,
    open: [Flow; 3],
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes).await {
        if flow.wait_for(|it| open.contains(it)).await.is_err() {
            break;
        }
        if count == 0 || to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

async fn serve(far: tokio::io::DuplexStream, shared: Arc<Shared>) {
    let upstream = Arc::new(tokio::sync::Mutex::new(None));
    let service = service_fn(|request| {
        let (shared, upstream) = (shared.clone(), upstream.clone());
        async move { shared.answer(request, upstream).await }
    });
    // An error here is a connection that was closed, by them or by us.
    let _ = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(far), service)
        .await;
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
struct HungUp;

impl Shared {
    async fn answer(
        &self,
        request: Request<Incoming>,
        upstream: Arc<tokio::sync::Mutex<Option<Connection>>>,
    ) -> Result<Response<Body>, HungUp> {
        let storm = self.storm_for(request.method());
        let index = self.note(&request);
        let answered = match storm {
            Storm::Conflict(_) => Ok(refusal(StatusCode::CONFLICT, "Conflict")),
            Storm::TooMany(_) => Ok(refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests")),
            _ => pass_on(request, &self.upstream, upstream).await,
        };
        match storm {
            Storm::Unanswered(_) => return Err(HungUp),
            Storm::Slow(pause) => tokio::time::sleep(pause).await,
            _ => {}
        }
        if let Ok(response) = &answered {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen[index].status = response.status().as_u16();
        }
        answered
    }

    /// What is done to a request of this method.
    fn storm_for(&self, method: &Method) -> Storm {
        let mut guard = self.storm.lock().unwrap_or_else(PoisonError::into_inner);
        let (storm, random) = &mut *guard;
        let is_write = *method != Method::GET;
        let is_update = *method == Method::PUT || *method == Method::PATCH;
        let hit = match *storm {
            Storm::None => false,
            Storm::Conflict(percent) => is_update && random.chance(percent),
            Storm::TooMany(percent) => random.chance(percent),
            Storm::Unanswered(percent) => is_write && random.chance(percent),
            Storm::Slow(_) => is_write,
        };
        if hit { *storm } else { Storm::None }
    }

    fn note(&self, request: &Request<Incoming>) -> usize {
        let path = request.uri().to_string();
        let is_watch = path.contains("watch=true") || path.contains("watch=1");
        let verb = if is_watch {
            "WATCH"
        } else {
            request.method().as_str()
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(Seen {
            at: now(),
            verb: verb.to_owned(),
            path,
            status: 0,
        });
        seen.len() - 1
    }
}

async fn pass_on(
    request: Request<Incoming>,
    upstream: &Upstream,
    connection: Arc<tokio::sync::Mutex<Option<Connection>>>,
) -> Result<Response<Body>, HungUp> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    let upstream = upstream.clone();
    // On a task of its own: what was received is carried out, whatever becomes of who sent it.
    let sent = tokio::spawn(async move {
        let mut connection = connection.lock().await;
        if !connection.as_ref().is_some_and(Connection::is_open) {
            *connection = Some(upstream.connect().await.map_err(|_| HungUp)?);
        }
        let open = connection.as_mut().ok_or(HungUp)?;
        let mut request = Request::new(Full::new(bytes));
        *request.method_mut() = parts.method;
        *request.uri_mut() = parts
            .uri
            .path_and_query()
            .map_or("/", |it| it.as_str())
            .parse()
            .map_err(|_| HungUp)?;
        for (name, value) in &parts.headers {
            if ![
                header::CONNECTION,
                header::TRANSFER_ENCODING,
                header::CONTENT_LENGTH,
            ]
            .contains(name)
            {
                request.headers_mut().append(name, value.clone());
            }
        }
        open.send(request).await.map_err(|_| HungUp)
    });
    let response = sent.await.map_err(|_| HungUp)??;
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONNECTION);
    parts.headers.remove(header::TRANSFER_ENCODING);
    Ok(Response::from_parts(parts, Either::Right(body)))
}

fn refusal(status: StatusCode, reason: &str) -> Response<Body> {
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "a storm of the chaos suite", "reason": reason, "code": status.as_u16(),
    });
    let mut response = Response::new(Either::Left(Full::new(body.to_string().into())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}
