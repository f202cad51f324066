//! What a sharded program runs beside its `main`: the gate before it, and the shards that this process owns.
//!
//! [`open`] is called before `main`, in every process of a sharded program. Everything of it runs on threads of its own, so
//! that a busy runtime of the program's delays neither a renewal nor a request that is for another shard.
//!
//! ```text
//! start    follow the map; listen once it was read and the program's port accepts; from then on own slots
//! SIGTERM  give the slots away, and serve until others have them; 5 s later stop listening; then SIGTERM for `main`
//! ```

mod ownership;
mod settings;
mod signal;

use std::{
    convert::Infallible,
    env,
    future::pending,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    process,
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::Duration,
};

use metaparticle_coordination::{Coordinator, coordinator, shards::Shards};
use metaparticle_router::{Gate, Metrics};
use tokio::{
    net::TcpStream,
    runtime,
    sync::watch,
    time::{self, Instant},
};

use self::{ownership::Owned, settings::Settings, signal::Withheld};
use crate::listen;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// From SIGTERM on, so long new connections are taken: others learn meanwhile that the pod is gone.
const GOING: Duration = Duration::from_secs(5);
/// What of the grace period, beside the time to drain, is for the gate: the rest is for `main`, elections and locks.
const LEAVE: Duration = Duration::from_secs(7);
/// How often it is tried whether the program's port accepts.
const PROBE: Duration = Duration::from_millis(50);

static SHARDS: OnceLock<Shards> = OnceLock::new();
static METRICS: OnceLock<Arc<Metrics>> = OnceLock::new();

/// The shards of this process; `None` where the program is not one: on a laptop, in a job, without the attribute.
///
/// They are there before `main` begins, and own slots as soon as the program's port accepts connections. A program with
/// `gate = "none"` says so itself, with [`Shards::ready`](metaparticle_coordination::shards::Shards::ready).
///
/// # Examples
/// ```no_run
/// let user = "alice";
/// let Some(shards) = metaparticle::shards() else {
///     return println!("one process, all users");
/// };
/// match shards.guard(user) {
///     Ok(guard) => println!("{user} is ours: token {}", guard.token()),
///     Err(elsewhere) => println!("{user} is not: {elsewhere}"),
/// }
/// ```
#[must_use]
pub fn shards() -> Option<&'static Shards> {
    SHARDS.get()
}

/// What the gate before this program has counted, as text for Prometheus; `None` as long as there is no gate.
///
/// Its names begin with `metaparticle_router_`. The label `shard` is the name of the pod; no key, slot or path is one.
#[must_use]
pub fn gate_metrics() -> Option<String> {
    let pod = shards()?.pod();
    METRICS.get().map(|metrics| metrics.text(&pod))
}

/// Starts what the role of this process needs, and returns for `main`; does not return in a router.
pub fn open() {
    let router = match env::var("METAPARTICLE_ROLE").as_deref() {
        Ok("shard") => false,
        Ok("router") => true,
        _ => return,
    };
    if let Err(problem) = begin(router) {
        refuse(&problem);
    }
    if router {
        forever();
    }
}

fn begin(router: bool) -> Result<(), String> {
    let given = |name: &str| env::var(name).ok();
    let settings = Settings::read(given)?;
    let pod = settings::pod_ip(given)?;
    // Before there are other threads.
    let withheld =
        Withheld::begin().map_err(|error| format!("cannot withhold SIGTERM: {error}"))?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot make a runtime: {error}"))?;
    let way = Way {
        // The embedded cluster may have given the pod others.
        listen: listen::address(settings.gate, given),
        gate: listen::address(settings.gate, given).unwrap_or((pod, settings.gate).into()),
        app: settings.app.map(|port| {
            let given = listen::address(port, given);
            given.unwrap_or((pod, port).into())
        }),
    };
    let session = Settings::session(given)?;
    let shards = runtime.block_on(follow(&settings, session, way.gate, router));
    let shards = shards.map_err(|error| told(&error))?;
    // Nobody else sets it.
    let _ = SHARDS.set(shards.clone());
    let (leave, leaving) = watch::channel(false);
    let (left, has_left) = mpsc::channel();
    spawn("metaparticle-sigterm", move || {
        withheld.wait();
        leave.send_replace(true);
        // An error: the other thread is gone, and there is nothing to wait for.
        let _ = has_left.recv();
        end(router, withheld);
    })?;
    spawn("metaparticle-gate", move || {
        let part = Part {
            settings,
            way,
            shards,
            router,
        };
        let Err(error) = runtime.block_on(part.run(leaving, left));
        refuse(&told(&*error));
    })
}

/// Follows the map, on the present runtime.
async fn follow(
    settings: &Settings,
    session: Duration,
    address: SocketAddr,
    router: bool,
) -> Result<Shards, coordinator::Error> {
    let coordinator = Coordinator::of_environment().await?.session(session);
    let shards = coordinator
        .start()
        .await?
        .shards(&*settings.map)
        .slots(settings.slots)
        .drain(settings.drain())
        .address(address);
    if router {
        shards.follow()
    } else {
        shards.start()
    }
}

/// Now the program may end.
fn end(router: bool, withheld: Withheld) -> ! {
    if router {
        process::exit(0);
    }
    if let Err(error) = withheld.pass_on() {
        refuse(&format!("cannot pass SIGTERM on: {error}"));
    }
    // The signal is blocked in all other threads.
    forever()
}

fn forever() -> ! {
    loop {
        thread::park();
    }
}

/// Where a request goes.
struct Way {
    /// Where the gate listens, if not on all addresses.
    listen: Option<SocketAddr>,
    /// Where others reach it.
    gate: SocketAddr,
    /// Where the program listens, if a gate stands before it.
    app: Option<SocketAddr>,
}

/// What a process of a sharded program does beside its `main`.
struct Part {
    settings: Settings,
    way: Way,
    shards: Shards,
    router: bool,
}

impl Part {
    /// Serves until it is told to leave, leaves, and says so by dropping `left`. Coordination goes on: it does not return.
    async fn run(
        self,
        mut leaving: watch::Receiver<bool>,
        left: mpsc::Sender<()>,
    ) -> Result<Infallible, Error> {
        let mut gate = None;
        let serving = async {
            gate = self.serve().await?;
            pending().await
        };
        tokio::select! {
            ended = serving => return ended,
            _ = leaving.wait_for(|leaving| *leaving) => {}
        }
        let begin = Instant::now();
        if !self.router {
            self.shards.leave().await;
        }
        time::sleep_until(begin + GOING).await;
        if let Some(gate) = gate {
            let rest = self.settings.drain() + LEAVE;
            gate.shutdown(rest.saturating_sub(begin.elapsed())).await;
        }
        drop(left);
        pending().await
    }

    /// Opens the gate, if there is one, once it has somewhere to send requests to; from then on slots may come.
    async fn serve(&self) -> Result<Option<Gate>, Error> {
        if self.way.app.is_none() && !self.router {
            return Ok(None);
        }
        self.has_map().await;
        if let Some(app) = self.way.app {
            accepts(app).await;
        }
        let gate = self.open()?;
        // Nobody else sets it.
        let _ = METRICS.set(Arc::clone(gate.metrics()));
        if !self.router {
            self.shards.ready();
        }
        Ok(Some(gate))
    }

    async fn has_map(&self) {
        let mut changed = self.shards.changed();
        while self.shards.slot("").is_none() {
            if changed.changed().await.is_err() {
                // Coordination has ended: so does the process, soon.
                pending::<()>().await;
            }
        }
    }

    fn builder(&self) -> Result<metaparticle_router::Builder<Owned>, Error> {
        let owned = Arc::new(Owned(self.shards.clone()));
        let (keys, config) = (self.settings.keys()?, self.settings.config());
        Ok(match self.way.app {
            Some(app) => Gate::builder(owned, app, keys, config),
            None => Gate::router(owned, keys, config),
        })
    }

    fn open(&self) -> Result<Gate, Error> {
        let port = self.settings.gate;
        let all = [
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
            // No IPv6 here.
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        ];
        let addresses = self.way.listen.as_slice();
        let addresses = if addresses.is_empty() {
            &all
        } else {
            addresses
        };
        let (last, first) = addresses.split_last().expect("there is one at least");
        let started = first
            .iter()
            .find_map(|address| self.builder().ok()?.start(*address).ok());
        match started {
            Some(gate) => Ok(gate),
            None => Ok(self.builder()?.start(*last)?),
        }
    }
}

/// Waits until something accepts connections there.
async fn accepts(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        time::sleep(PROBE).await;
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(run);
    match started {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("cannot start a thread: {error}")),
    }
}

/// An error with its causes.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

#[allow(
    clippy::print_stderr,
    reason = "ends the process; `kubectl logs` and the pod's status show it"
)]
fn refuse(problem: &str) -> ! {
    eprintln!("error: {problem}");
    process::exit(1);
}
