//! A thread of a gate: it accepts connections, and serves each on a task.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::{self, Instant},
};

use super::{
    Stop,
    conn::{Activity, Io, Patience},
    open::open,
};
use crate::{
    Config, Ownership,
    forward::{Origin, Worker},
    head::Edge,
    pool,
    race::first,
    replay::Source,
};

/// How often idle connections to others are looked at.
const TIDY: Duration = Duration::from_secs(5);
/// Headers of a request that hyper takes, unless it is told.
const HYPERS_MAX_HEADERS: usize = 100;
/// After an error of `accept`, as when there are no file descriptors left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// Accepts until it is told to stop, then waits until the last connection has ended, or it is told not to.
pub(super) async fn run<O: Ownership>(
    worker: Arc<Worker<O>>,
    listener: TcpListener,
    mut stop: watch::Receiver<Stop>,
) {
    let (open, mut ended) = mpsc::channel::<Infallible>(1);
    let accepting = async {
        let mut tidy = Instant::now() + TIDY;
        loop {
            match time::timeout_at(tidy, listener.accept()).await {
                Ok(Ok((stream, from))) => {
                    let connection = connection(worker.clone(), stream, from, stop.clone());
                    let open = open.clone();
                    tokio::spawn(async move {
                        connection.await;
                        drop(open);
                    });
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    time::sleep(ACCEPT_AGAIN).await;
                }
                Err(_) => {
                    tidy = Instant::now() + TIDY;
                    worker.pool.tidy(Instant::now());
                }
            }
        }
    };
    let mut told = stop.clone();
    let stopped = async {
        let _ = told.wait_for(|stop| *stop != Stop::Run).await;
    };
    first(pin!(accepting), pin!(stopped)).await;
    drop((listener, open));
    let last = async {
        ended.recv().await;
    };
    let now = async {
        let _ = stop.wait_for(|stop| *stop == Stop::Now).await;
    };
    first(pin!(last), pin!(now)).await;
}

/// Serves a connection until it ends.
async fn connection<O: Ownership>(
    worker: Arc<Worker<O>>,
    mut stream: TcpStream,
    from: SocketAddr,
    stop: watch::Receiver<Stop>,
) {
    let config = &worker.router.config;
    let _ = stream.set_nodelay(true);
    let opening = open(&mut stream, &*worker.router.ownership);
    let opened = match time::timeout(config.head_timeout, opening).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => return tracing::debug!(%from, %error, "a connection did not begin"),
        Err(_) => return tracing::debug!(%from, "a connection did not begin in time"),
    };
    let edge = if opened.gate {
        Edge::gate(config)
    } else {
        Edge::client(from.ip(), false, config)
    };
    let activity = Activity::new(!opened.http2);
    let io = Io::new(stream, opened.first, activity.clone());
    let patience = Patience {
        idle: config.client_idle_timeout,
        head: config.head_timeout,
    };
    let served = Arc::new(Served {
        worker: worker.clone(),
        edge,
        activity: activity.clone(),
    });
    let serving = served.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let served = serving.clone();
        async move {
            let Served {
                worker,
                edge,
                activity,
            } = &*served;
            let origin = Origin {
                edge,
                activity: Some(activity),
            };
            let request = request.map(Source::Incoming);
            Ok::<_, Infallible>(worker.serve(request, origin).await)
        }
    });
    let ended = if opened.http2 {
        let connection = speak_http2(config, &served.edge).serve_connection(io, service);
        drive(
            connection,
            http2::Connection::graceful_shutdown,
            &activity,
            patience,
            stop,
        )
        .await
    } else {
        let connection = speak_http1(&served.edge)
            .serve_connection(io, service)
            .with_upgrades();
        drive(
            connection,
            http1::UpgradeableConnection::graceful_shutdown,
            &activity,
            patience,
            stop,
        )
        .await
    };
    if let Err(error) = ended {
        tracing::debug!(%from, %error, "a connection broke");
    }
}

struct Served<O> {
    worker: Arc<Worker<O>>,
    edge: Edge,
    activity: Arc<Activity>,
}

fn speak_http1(edge: &Edge) -> http1::Builder {
    let mut http1 = http1::Builder::new();
    // The time of a head is measured from its first byte, by `Activity`.
    http1
        .header_read_timeout(None)
        .max_header_size(edge.max_head_bytes());
    // Said, it makes hyper fill a table for each request, also if it is the same.
    if edge.max_headers() != HYPERS_MAX_HEADERS {
        http1.max_headers(edge.max_headers());
    }
    http1
}

fn speak_http2(config: &Config, edge: &Edge) -> http2::Builder<TokioExecutor> {
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    let head = u32::try_from(edge.max_head_bytes()).unwrap_or(u32::MAX);
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.max_streams)
        .max_header_list_size(head)
        .initial_stream_window_size(pool::WINDOW)
        .initial_connection_window_size(pool::window_of(config.max_streams))
        .keep_alive_interval(config.client_idle_timeout)
        .keep_alive_timeout(config.head_timeout);
    http2
}

/// Polls a connection to its end, which `end` asks for, after the requests that are under way. It also ends when it does
/// nothing for too long.
async fn drive<C>(
    connection: C,
    end: impl Fn(Pin<&mut C>),
    activity: &Activity,
    patience: Patience,
    mut stop: watch::Receiver<Stop>,
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let mut stopped = pin!(async {
        let _ = stop.wait_for(|stop| *stop != Stop::Run).await;
    });
    let mut nap = pin!(time::sleep(patience.idle));
    let mut ending = false;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(over) = connection.as_mut().poll(cx) {
                return Poll::Ready(over);
            }
            if !ending && stopped.as_mut().poll(cx).is_ready() {
                ending = true;
                end(connection.as_mut());
                continue;
            }
            // The head of a request that came in part makes the nap shorter; nothing else does.
            if !ending
                && let Some(due) = activity.due(patience)
                && due < nap.deadline()
            {
                nap.as_mut().reset(due);
            }
            if nap.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            match activity.due(patience) {
                Some(due) if due > now => nap.as_mut().reset(due),
                Some(_) if ending || activity.is_hopeless() => return Poll::Ready(Ok(())),
                Some(_) => {
                    ending = true;
                    end(connection.as_mut());
                    nap.as_mut().reset(now + patience.head);
                }
                None => nap.as_mut().reset(now + patience.idle),
            }
        }
    })
    .await
}
