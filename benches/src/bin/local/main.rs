//! The embedded cluster beside a real API server, one after the other in one run (`cargo xtask peers local`).
//!
//! `cargo run --release -p metaparticle-benches --bin local -- PROGRAM` measures, each figure a line of JSON:
//! - writes of small `ConfigMap`s a second, 32 at a time: embedded in process, embedded over HTTPS, and at the real one
//!   that `METAPARTICLE_TEST_KUBECONFIG` names, if it does;
//! - the time from a write until each of 1,000 watchers has heard of it, likewise;
//! - for PROGRAM (a built program of four replicas): from its start until all are ready, and the memory of the process
//!   above that of an empty tokio program; for the real one, from the creation of a Deployment of four until all are
//!   ready, and the memory of the processes that `METAPARTICLE_BENCH_CONTROL_PLANE` numbers.

mod api;
mod memory;
mod startup;

use std::{env, error::Error};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use metaparticle::testing::Cluster;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;

fn main() -> Result<()> {
    let argument = env::args()
        .nth(1)
        .ok_or("which PROGRAM has four replicas?")?;
    if argument == "--idle" {
        return memory::idle();
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(measure(&argument))
}

async fn measure(program: &str) -> Result<()> {
    startup::embedded(program).await?;
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    let cluster = Cluster::builder()
        .listen(kubeconfig.as_path())
        .start()
        .await?;
    api::measure("embedded, in process", &cluster.client()).await?;
    let https = client(&kubeconfig.to_string_lossy()).await?;
    api::measure("embedded, over HTTPS", &https).await?;
    drop(cluster);
    if let Ok(path) = env::var("METAPARTICLE_TEST_KUBECONFIG") {
        let real = client(&path).await?;
        startup::real(&real).await?;
        memory::real()?;
        api::measure("kube-apiserver", &real).await?;
    }
    Ok(())
}

async fn client(kubeconfig: &str) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

#[allow(clippy::print_stdout, reason = "the result of the program")]
fn figure(of: &str, what: &str, values: &mut [f64], unit: &str) {
    values.sort_by(f64::total_cmp);
    let round = |value: &f64| (value * 10.0).round() / 10.0;
    let line = json!({
        "of": of, "what": what, "unit": unit, "runs": values.len(),
        "median": values.get(values.len() / 2).map(round),
        "min": values.first().map(round), "max": values.last().map(round),
    });
    println!("{line}");
}
