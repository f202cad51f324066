//! The gate beside nginx, HAProxy, pingora and Envoy: what a request costs, how long it takes, in one run.
//!
//! All do the same: they find the user in the path, hash it consistently over four applications, write the same headers,
//! keep connections, log nothing, and have one thread, which has a core of its own where there are two. Load and
//! applications share the other. They take turns, in another order each round; a figure is the median over the rounds, and
//! a ratio that of the ratios to nginx in the same round. Processor time is that of the proxy's process.

mod figures;
pub(super) mod h2spec;
mod peer;
mod process;
mod tools;

use std::{fs, path::Path, time::Duration};

use clap::builder::PossibleValuesParser;

use self::{
    figures::{Figure, Sheet},
    peer::{Peer, Scene},
    process::{Applications, Proxy},
    tools::Tools,
};
use super::Error;
use crate::{file::failed, terminal};

/// How long it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often each is measured
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Requests a second of the open loop
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    rate: u32,
    /// Only these, with commas between them
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(Peer::ALL.map(Peer::name)))]
    only: Vec<String>,
    /// Only these, with commas between them
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(Scene::ALL.map(Scene::name)))]
    scenes: Vec<String>,
    /// Install and build the peers and stop
    #[arg(long)]
    install_only: bool,
}

/// Measures all scenes and prints a table of each.
///
/// # Errors
/// When a peer cannot be installed or started, or requests fail.
pub(super) fn compare(arguments: &Arguments) -> Result<(), Error> {
    let tools = tools::install()?;
    if arguments.install_only {
        return Ok(());
    }
    terminal::result(&tools.about());
    let folder = std::env::temp_dir().join(format!("metaparticle-peers-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
    let wanted = |scene: &&Scene| {
        arguments.scenes.is_empty() || arguments.scenes.iter().any(|it| it == scene.name())
    };
    let measured = Scene::ALL
        .iter()
        .filter(wanted)
        .try_for_each(|&scene| measure(scene, &tools, arguments, &folder));
    // Configurations and lists of addresses: they do no harm if they stay.
    let _ = fs::remove_dir_all(&folder);
    measured
}

fn measure(scene: Scene, tools: &Tools, arguments: &Arguments, folder: &Path) -> Result<(), Error> {
    let wanted = |peer: &Peer| {
        let named = arguments.only.is_empty() || arguments.only.iter().any(|it| it == peer.name());
        named && scene.suits(*peer) && tools.has(*peer)
    };
    let mut peers: Vec<Peer> = Peer::ALL.iter().copied().filter(wanted).collect();
    let mut sheet = Sheet::new(&peers);
    let applications = Applications::start(tools, scene)?;
    for round in 0..arguments.rounds {
        terminal::step(&format!(
            "{scene}: round {} of {}",
            round + 1,
            arguments.rounds
        ));
        for &peer in &peers {
            let figure = once(peer, scene, tools, &applications, arguments, folder)?;
            sheet.add(peer, figure);
        }
        // Nobody is always first, nor always behind the same.
        peers.rotate_left(1);
        if round % 2 == 1 {
            peers.reverse();
        }
    }
    terminal::result(&sheet.table(scene));
    Ok(())
}

fn once(
    peer: Peer,
    scene: Scene,
    tools: &Tools,
    applications: &Applications,
    arguments: &Arguments,
    folder: &Path,
) -> Result<Figure, Error> {
    let proxy = Proxy::start(peer, scene, tools, applications, folder)?;
    let load = |seconds| process::load(scene, tools, &proxy, seconds, arguments.rate, folder);
    // Connections are made, caches are filled.
    load(1)?;
    let before = proxy.processor_time()?;
    let told = load(arguments.seconds)?;
    let spent: Duration = proxy.processor_time()?.saturating_sub(before);
    if told.failed > 0 || told.requests == 0 {
        return Err(Error::Answer {
            peer: peer.name(),
            answer: format!(
                "{} requests, of which {} failed",
                told.requests, told.failed
            ),
            expected: "answers",
        });
    }
    Ok(Figure {
        micros: spent.as_secs_f64() * 1e6 / f64::from(told.requests),
        kib: proxy.memory_kib()?,
        told,
    })
}
