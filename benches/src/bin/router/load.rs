//! Requests at a constant rate over HTTP/1.1: an open loop. A request is due when it is due, and takes any idle connection of
//! [`CONNECTIONS`]; its time begins when it is due. So a proxy that stops for a while pays for all that were due meanwhile.

use std::{cell::RefCell, error::Error, net::SocketAddr, rc::Rc, thread, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    runtime,
    sync::{Semaphore, mpsc},
    task::LocalSet,
    time::{Instant, timeout},
};

/// Nothing is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// As many at most: a stall of the machine must not end in thousands.
const CONNECTIONS: usize = 128;
const USERS: u64 = 1_000;

type Connection = SendRequest<Empty<Bytes>>;

/// What all requests share.
struct Load {
    target: SocketAddr,
    turns: Semaphore,
    idle: RefCell<Vec<Connection>>,
    micros: RefCell<Vec<u128>>,
    failed: RefCell<u64>,
    /// Why the first one failed.
    why: RefCell<Option<String>>,
}

/// Prints a line of JSON.
#[allow(clippy::print_stdout, reason = "the result of the program")]
pub(crate) fn run(target: SocketAddr, rate: u32, seconds: u64) -> Result<(), Box<dyn Error>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let load = Rc::new(Load {
        target,
        turns: Semaphore::new(CONNECTIONS),
        idle: RefCell::default(),
        micros: RefCell::default(),
        failed: RefCell::default(),
        why: RefCell::default(),
    });
    let (tick, mut ticks) = mpsc::unbounded_channel();
    let pace = thread::spawn(move || {
        let start = Instant::now();
        let count = u64::from(rate) * seconds;
        for number in 0..count {
            // A sleep is exact to some 60 µs, which a timer of the runtime is not.
            let due = start + Duration::from_secs_f64(f64_of(number) / f64::from(rate));
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if tick.send((number, Instant::now())).is_err() {
                break;
            }
        }
        start.elapsed()
    });
    let set = LocalSet::new();
    let shared = Rc::clone(&load);
    set.spawn_local(async move {
        while let Some((number, due)) = ticks.recv().await {
            tokio::task::spawn_local(one(Rc::clone(&shared), number, due));
        }
    });
    // Returns when all requests have ended.
    runtime.block_on(set);
    let took = pace.join().map_err(|_| "the pace broke")?;
    let mut micros = load.micros.take();
    micros.sort_unstable();
    let failed = load.failed.take();
    let at = |share: f64| micros.get(index(micros.len(), share)).copied();
    let line = serde_json::json!({
        "requests": micros.len(),
        "failed": failed,
        "rate": f64_of(u64::try_from(micros.len())? + failed) / took.as_secs_f64(),
        "p50_us": at(0.5).map(u64::try_from).transpose()?,
        "p99_us": at(0.99).map(u64::try_from).transpose()?,
        "p999_us": at(0.999).map(u64::try_from).transpose()?,
    });
    println!("{line}");
    match load.why.take() {
        None => Ok(()),
        Some(why) => Err(format!("{failed} requests failed, the first: {why}").into()),
    }
}

async fn one(load: Rc<Load>, number: u64, due: Instant) {
    match timeout(PATIENCE, exchange(&load, number)).await {
        Ok(Ok(())) => load.micros.borrow_mut().push(due.elapsed().as_micros()),
        other => {
            *load.failed.borrow_mut() += 1;
            let why = match other {
                Ok(Err(cause)) => cause.to_string(),
                _ => "no answer in time".to_owned(),
            };
            load.why.borrow_mut().get_or_insert(why);
        }
    }
}

/// The answer is read to its end before the connection is used again.
async fn exchange(load: &Load, number: u64) -> Result<(), Box<dyn Error>> {
    let _turn = load.turns.acquire().await?;
    let idle = load.idle.borrow_mut().pop();
    let mut connection = match idle {
        Some(connection) => connection,
        None => connect(load.target).await?,
    };
    connection.ready().await?;
    let user = number.wrapping_mul(7_919) % USERS;
    let request = Request::get(format!("/users/{user}/cart"))
        .header("host", "bench.example")
        .body(Empty::new())?;
    let response = connection.send_request(request).await?;
    if !response.status().is_success() {
        return Err(response.status().as_str().into());
    }
    response.into_body().collect().await?;
    load.idle.borrow_mut().push(connection);
    Ok(())
}

async fn connect(target: SocketAddr) -> Result<Connection, Box<dyn Error>> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Its end is seen by whoever sends next. Detached, the set does not wait for it.
    tokio::spawn(connection);
    Ok(sender)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts of requests are far below 2^52"
)]
fn f64_of(count: u64) -> f64 {
    count as f64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index below the length"
)]
fn index(length: usize, share: f64) -> usize {
    (length as f64 * share) as usize
}
