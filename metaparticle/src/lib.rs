//! Annotate `main`, and `cargo run` turns the program into a distributed application on Kubernetes.
//!
//! ```no_run
//! use metaparticle::{containerize, replicated};
//!
//! #[containerize(ports = [8080], repository = "registry.example.com/team")]
//! #[replicated(4)]
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
//!     let app = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
//!     axum::serve(listener, app)
//!         .with_graceful_shutdown(metaparticle::shutdown())
//!         .await
//! }
//! ```
//!
//! # What happens
//! - **`cargo build`** checks the attributes, renders a Dockerfile and the manifests, embeds them in the program, and
//!   mirrors them to `target/metaparticle/artifacts/<package>/<binary>/`. A mistake in an attribute is a compile error
//!   at its token.
//! - **`cargo run`** starts the deployer instead of `main`. Without a named context it starts a cluster in its own
//!   process and runs the replicas as processes of this machine; with one, it builds the image and pushes it. Then it
//!   applies the manifests, and judges the rollout. What stands after `--` is for the program, unless its first word is
//!   `metaparticle`. `METAPARTICLE_REPLICAS`, `_SHARDS`, `_COMPLETIONS` and `_PARALLELISM` override the attributes'
//!   numbers.
//! - **In the cluster** the same source runs as it is: the deployer is not in the container's binary, and the
//!   generated manifests say in `METAPARTICLE_ROLE` who the program is. Nothing is guessed from its surroundings.
//!   To run `main` on your own machine, say `METAPARTICLE_ROLE=replica cargo run`.
//!
//! # The attributes
//! [`containerize`] takes what every program has: name, image, ports, environment, resources, probes. It also lists
//! all common keys. [`replicated`], [`sharded`] and [`job`] say what kind of program it is, and take the common keys,
//! too. They stand on `main`, alone or together in any order, before or after a runtime's attribute such as
//! `#[tokio::main]`, under any name or path, and under `cfg_attr`. No key is said twice over all of them. `main` may
//! return whatever [`std::process::Termination`] allows.
//!
//! # Features
//! - `deploy` (default): the deployer. It never gets into the container, whatever features are on.
//! - `coordination` (default): elections and locks, in the container, too; see [`coordinator`]. Its TLS has a little C in
//!   it: a build for another processor needs a C compiler for that one.
//! - `shard` (default): which node a key belongs to, in the container, too; see [`shard`].
//! - `router` (default): what [`sharded`] programs have before their `main`, in the container, too; see [`router`]. Unix
//!   only.
//! - `local` (default): the embedded cluster, and `testing`. Unix only.
//! - `k8s` (default): chooses the version feature `earliest` of `k8s-openapi`. A program that chooses another one
//!   takes `default-features = false, features = ["local"]`.

#[cfg(all(feature = "deploy", not(metaparticle_container)))]
pub mod deploy;
#[cfg(feature = "coordination")]
#[doc(inline)]
pub use metaparticle_coordination::{
    coordinator, election, fence, guide, lease, lock, session, shards,
};
#[cfg(feature = "router")]
#[doc(inline)]
pub use metaparticle_router as router;
#[cfg(feature = "shard")]
#[doc(inline)]
pub use metaparticle_shard as shard;

mod enter;
#[cfg(all(unix, feature = "router"))]
mod gate;
mod listen;
mod pod;
mod shutdown;
#[cfg(all(unix, any(metaparticle_container, feature = "coordination")))]
mod terminate;
#[cfg(all(feature = "local", not(metaparticle_container)))]
pub mod testing;

/// Makes the program one that deploys itself.
///
/// Alone, a program with `ports` is a service of one replica, and one without is a job that runs once; see
/// [`replicated`], [`sharded`] and [`job`] for more. Every key can be left out, and stands in any of the attributes
/// that are on `main`, but only once.
///
/// | key | value | effect | default |
/// |-----|-------|--------|---------|
/// | `name` | 1 to 63 lower-case letters, digits and `-`, beginning with a letter | names the image and every object | the binary's name, `_` as `-` |
/// | `repository` | `"[host[:port]/]path"` | where the image is pushed, as `<repository>/<name>` | none: a deployment to a named cluster needs it, or `METAPARTICLE_REPOSITORY` |
/// | `tag` | 1 to 128 letters, digits, `_`, `.` and `-` | tag of the image; pods run it by its digest | the package's version, `+` as `-` |
/// | `namespace` | 1 to 63 lower-case letters, digits and `-` | where the objects are | that of the context |
/// | `context` | a context of the kubeconfig | the cluster to deploy to | none: the embedded cluster, unless `METAPARTICLE_CONTEXT` names one |
/// | `ports` | `[8080, "9090/udp", "admin:9000", "dns:53/udp"]` | where the program listens; each gets a place in the Service | none |
/// | `public` | flag | the Service is reachable from outside (`type: LoadBalancer`) | off |
/// | `env(…)` | `env(LOG = "info", "my.var" = "x")` | environment of the program; `METAPARTICLE_…` is reserved | none |
/// | `resources(…)` | `cpu`, `memory`, `cpu_limit`, `memory_limit`, each a quantity of Kubernetes | requests and limits | 50m CPU and 32Mi memory requested, no limits |
/// | `probes(…)` | `readiness`, `liveness`, `startup`: a path each; `port`: one of `ports` | how the program is asked for its health | ready as soon as the first TCP port accepts |
/// | `base` | `"scratch"` or an image | what the image is built on | by the program's linkage |
/// | `on_exit` | `"detach"` or `"delete"` | what the first Ctrl-C does to what was deployed | `"detach"` |
/// | `coordination` | flag, or `coordination(policy)` | a token and the smallest Role, for elections, locks and shards; `policy` adds the admission policy by which the API server refuses what deposed holders write, one for the whole cluster: real clusters only | off; on for `sharded` |
/// | `crate` | a path | where this crate is, if it was renamed | `::metaparticle` |
///
/// A flag is said as `public`, `public = true` or `public = false`. All values are literals.
///
/// # Examples
/// ```no_run
/// #[metaparticle::containerize(
///     name = "web",
///     repository = "127.0.0.1:5000/demo",
///     ports = [8080, "admin:9000"],
///     public,
///     env(LOG = "info"),
///     resources(cpu = "100m", memory = "64Mi", memory_limit = "128Mi"),
///     probes(readiness = "/ready", liveness = "/live"),
/// )]
/// fn main() {
///     // listen, serve
/// }
/// ```
///
/// Gated by a feature:
/// ```no_run
/// #[cfg_attr(feature = "production", metaparticle::containerize(namespace = "prod"))]
/// #[metaparticle::replicated(4, ports = [8080])]
/// fn main() {}
/// ```
#[doc(inline)]
pub use metaparticle_macros::containerize;

/// Runs equal copies of a service: a Deployment, a Service, and a disruption budget from 2 replicas on.
///
/// | key | value | effect | default |
/// |-----|-------|--------|---------|
/// | `replicas` | 1 to 2147483647; the key may be left out at the first place: `replicated(4)` | number of pods | must be said |
///
/// Takes all keys of [`containerize`], too.
///
/// # Examples
/// ```no_run
/// #[metaparticle::replicated(replicas = 4, ports = [8080])]
/// fn main() {
///     // listen, serve
/// }
/// ```
#[doc(inline)]
pub use metaparticle_macros::replicated;

/// Divides the requests to a service by key: a StatefulSet of one pod a shard, and a gate in each of them, which sends a
/// request to the shard that owns its key. `main` needs to know nothing of it.
///
/// | key | value | effect | default |
/// |-----|-------|--------|---------|
/// | `shards` | 1 to 1000, at most 100 if there are more than 4096 slots, and no more than slots | number of shards, one pod each | must be said |
/// | `key` | a path with one segment in braces; `…` at its end stands for any rest | that segment, percent-decoded once, is a request's key | one of the four must be said |
/// | `key_regex` | a regular expression with one group, without Unicode's classes | the key is what the group matches; the whole path must match | |
/// | `key_header` | the name of a header | the key is its value; two values are refused with 400 | |
/// | `key_query` | the name of a parameter | the key is its first value in the query | |
/// | `slots` | a power of two, at most 16384 | into how many slots keys are divided; they move between shards | 4096 |
/// | `unmatched` | `"any"` or `"404"` | what becomes of a request without a key: the shard that it came to answers, or nobody | `"any"` |
/// | `router` | 1 to 2147483647 | number of pods of a tier of routers before the shards | none: each gate is a router |
/// | `gate` | `"pod"` or `"none"` | what stands before a shard: a gate, or nothing: then the program says itself what it does with keys of others, by `shards()` | `"pod"` |
/// | `drain` | 1 to 600 | seconds for which requests may go on whose slot moves | 10 |
///
/// Takes all keys of [`containerize`], too, but for `probes(readiness)`, which is the gate's own, if there is one. The
/// first TCP port is the one whose requests are divided: it stands in the Service, where the gate takes its connections.
/// Other ports are each pod's own, and so in no Service; none may be named `gate`.
///
/// # Guarantees
/// Requests for a key reach one process at a time. That is a promise about requests, not about what they start: who writes
/// somewhere under a key fences it (module `fence`). The program's port is reached past the gate by the address of its pod, unless
/// the network of the cluster goes by objects of the kind `NetworkPolicy`: the generated one closes it.
///
/// # Examples
/// ```no_run
/// #[metaparticle::sharded(shards = 3, key = "/users/{id}/…", ports = [8080])]
/// fn main() {
///     // listen, serve the users of this shard
/// }
/// ```
#[doc(inline)]
pub use metaparticle_macros::sharded;

/// Runs a program that ends: a Job, anew with every `cargo run`.
///
/// | key | value | effect | default |
/// |-----|-------|--------|---------|
/// | `completions` | 1 to 2147483647 | number of successful runs that make the job complete; each reads its number from 0 on in `JOB_COMPLETION_INDEX` | 1 |
/// | `parallelism` | 1 to 100000, at most `completions` | number of pods that run at the same time | 1 |
///
/// Takes all keys of [`containerize`], too, but for `ports`, `public` and `probes`.
///
/// # Examples
/// ```no_run
/// #[metaparticle::job(completions = 4, parallelism = 2)]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     // do the part of this run
///     Ok(())
/// }
/// ```
#[doc(inline)]
pub use metaparticle_macros::job;

/// Runs a function in one replica at a time: in each term that this process wins, until the function returns.
///
/// `#[leader("billing")]` takes the name of the election: 1 to 63 lower-case letters, digits and `-`. The function is an
/// `async fn` with one argument, an [`election::Term`], that returns a `Result` whose error is made `From`
/// [`coordinator::Error`] and can be displayed, such as `Box<dyn Error + Send + Sync>`. Callers call it without the
/// argument, and wait for what it returns:
/// ```text
/// async fn bill() -> Result<()> {
///     async fn bill(term: Term) -> Result<()> { /* what was written */ }
///     ::metaparticle::__private::lead("billing", bill).await
/// }
/// ```
/// That is [`Coordinator::connect`](coordinator::Coordinator::connect), once for the process and shared with all other such
/// functions, and [`Election::run`](election::Election::run) with the defaults of
/// [`Coordinator::election`](coordinator::Coordinator::election). For another lease, priorities or a view of the election,
/// call these.
///
/// # Guarantees
/// Those of [`election::Term`]: two processes never both hold a valid one. When the term is lost, the function is dropped
/// where it stands, and called again with the next one; a stretch that must not be cut takes a
/// [permit](election::Term::permit). What it sends may still arrive later, unless it is [fenced](fence).
///
/// # Errors
/// What the function returns, and whatever keeps the process from contending at all: no cluster, no permission. After a
/// shutdown it returns the default of its value.
///
/// # Cancel safety
/// Dropped, the function is dropped, and the term is handed over in the background.
///
/// # Examples
/// ```no_run
/// use metaparticle::{coordinator::Error, election::Term};
///
/// #[metaparticle::leader("billing")]
/// async fn bill(term: Term) -> Result<(), Error> {
///     println!("token {}", term.token());
///     Ok(())
/// }
///
/// #[metaparticle::containerize(coordination)]
/// #[metaparticle::replicated(3)]
/// #[tokio::main]
/// async fn main() -> Result<(), Error> {
///     bill().await
/// }
/// ```
#[cfg(feature = "coordination")]
#[doc(inline)]
pub use metaparticle_macros::leader;

/// Runs a function in one process at a time: under a lock, which it waits for in the order of arrival.
///
/// `#[exclusive("migrations")]` takes the name of the lock: 1 to 63 lower-case letters, digits and `-`. The function is a
/// free `async fn` with any arguments that returns a `Result` whose error is made `From` [`coordinator::Error`]. Each call
/// runs it, one after the other: what is to happen once must find out that it has happened.
/// ```text
/// async fn migrate(to: u32) -> Result<()> {
///     async fn migrate(to: u32) -> Result<()> { /* what was written */ }
///     ::metaparticle::__private::exclusive("migrations", migrate(to)).await
/// }
/// ```
/// That is [`Coordinator::connect`](coordinator::Coordinator::connect), once for the process, `mutex("migrations").lock()`,
/// the function under [`Guard::guarded`](lock::Guard::guarded), and `unlock()`.
///
/// # Guarantees
/// Those of [`lock::Mutex`]: two processes never both hold it by their own check. If the lock is lost, the function is
/// dropped where it stands. What it sends may still arrive later, unless it is [fenced](fence).
///
/// # Errors
/// What the function returns; whatever keeps the process from locking: no cluster, no permission; and
/// [`Error::Lost`](coordinator::Error::Lost).
///
/// # Cancel safety
/// Dropped, it leaves the queue, or the function is dropped and the lock freed in the background.
///
/// # Examples
/// ```no_run
/// #[metaparticle::exclusive("migrations")]
/// async fn migrate(database: &str) -> Result<(), metaparticle::coordinator::Error> {
///     println!("migrates {database}");
///     Ok(())
/// }
/// ```
#[cfg(feature = "coordination")]
#[doc(inline)]
pub use metaparticle_macros::exclusive;

#[cfg(all(unix, feature = "router"))]
pub use gate::{gate_metrics, shards};
pub use listen::listen;
pub use pod::{Pod, pod};
pub use shutdown::shutdown;

#[doc(hidden)]
pub use metaparticle_macros::__spec;

/// What the expansion of the attributes calls; not for users, and free to change with every release.
#[doc(hidden)]
pub mod __private {
    pub use crate::enter::*;
    #[cfg(all(unix, feature = "router"))]
    pub use crate::gate::open;
    #[cfg(feature = "coordination")]
    pub use metaparticle_coordination::__private::{exclusive, lead};
}
