//! Prints the figures of elections and locks: ours, client-go's, etcd's mutex; `cargo xtask peers election` builds the
//! programs and calls it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program's output is for people"
)]

use std::{error::Error, path::PathBuf, process::Command, time::Duration};

use clap::Parser;
use metaparticle_chaos::{
    api::Api,
    clock::now,
    figures::{self, Bench, LEASE},
    program::{Program, Programs},
    proxy::Flow,
    register,
    run::World,
    server::Server,
};

/// Elections and locks, measured.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program that has all of Kubernetes in it
    #[arg(long)]
    kubernetes: PathBuf,
    /// client-go's candidate
    #[arg(long)]
    client_go: PathBuf,
    /// The program that measures etcd's mutex
    #[arg(long)]
    etcd_mutex: PathBuf,
    /// How often a hand-over is measured
    #[arg(long, default_value_t = 10)]
    runs: u32,
    /// Only figures whose name contains this
    #[arg(long, default_value = "")]
    only: String,
}

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(all(&arguments));
    runtime.shutdown_timeout(Duration::from_secs(5));
    done
}

async fn all(arguments: &Arguments) -> Done {
    let server = Server::start(&arguments.kubernetes).await?;
    register::install_policy(&Api::new(server.upstream.clone())).await?;
    let world = World {
        upstream: server.upstream.clone(),
        programs: Programs {
            ours: std::env::current_exe()?.with_file_name("candidate"),
            client_go: arguments.client_go.clone(),
            crates: None,
        },
        stamp: format!("{:x}", now() / 1_000_000),
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of the machine: {}", load.trim());
    let wanted = |name: &str| name.contains(&arguments.only);
    if wanted("elections") {
        elections(&world, arguments.runs).await?;
    }
    if wanted("outages") {
        outages(&world).await?;
    }
    if wanted("locks") {
        locks(&world, &server, arguments).await?;
    }
    Ok(())
}

const PEERS: [Program; 2] = [Program::Ours, Program::ClientGo { release: true }];

async fn elections(world: &World, runs: u32) -> Done {
    for program in PEERS {
        let name = if program == Program::Ours {
            "ours"
        } else {
            "go"
        };
        let bench = |what: &str, count| {
            Bench::start(
                world,
                program,
                format!("{name}-{what}").leak(),
                count,
                LEASE,
            )
        };
        let (mut clean, mut crash, idle, stopped) = tokio::try_join!(
            bench("clean", 3),
            bench("crash", 3),
            bench("idle", 5),
            bench("stop", 3)
        )?;
        // One after the other where milliseconds count, side by side where seconds do.
        let times = figures::changes(&mut clean, true, runs).await?;
        let (median, high) = figures::spread(&times, 99);
        println!("{program}: clean hand-over: median {median:.1?}, p99 {high:.1?} of {runs}");
        drop(clean);
        let (times, rates, stop) = tokio::try_join!(
            figures::changes(&mut crash, false, 3),
            figures::requests(&idle, Duration::from_secs(60)),
            figures::after_stop(&stopped),
        )?;
        let (median, high) = figures::spread(&times, 99);
        println!("{program}: crash, lease of 15 s: median {median:.2?}, longest {high:.2?} of 3");
        println!(
            "{program}: requests/s: leader {:.3}, a follower {:.3}",
            rates.0, rates.1
        );
        println!(
            "{program}: after SIGCONT it leads on for {:.1?}, knows after {:.1?}",
            stop.0, stop.1
        );
    }
    Ok(())
}

async fn outages(world: &World) -> Done {
    for (name, seconds, lease, flow) in [
        ("refused", 6, 15, Flow::Cut),
        ("hung", 4, 15, Flow::Frozen),
        ("refused-26", 9, 26, Flow::Cut),
        ("hung-26", 9, 26, Flow::Frozen),
    ] {
        for program in PEERS {
            let name = format!("{name}-{}", u8::from(program == Program::Ours));
            let (time, lease) = (Duration::from_secs(seconds), Duration::from_secs(lease));
            let (ridden, of) = figures::outages(world, program, &name, lease, flow, time).await?;
            println!(
                "{program}: outage of {time:?} ({flow:?}), lease of {lease:?}: ridden out at {ridden} of {of} phases"
            );
        }
    }
    Ok(())
}

async fn locks(world: &World, server: &Server, arguments: &Arguments) -> Done {
    let none = Duration::ZERO;
    let (found, _) = figures::measure(world, "check", &[], 1, none).await?;
    println!(
        "ours: check() {}.{:02} ns",
        found[0].1 / 100,
        found[0].1 % 100
    );
    for count in ["1", "1000"] {
        let time = Duration::from_secs(30);
        let (_, rate) = figures::measure(world, "hold", &[count.to_owned()], 1, time).await?;
        println!("ours: {count} locks held by one process: {rate:.3} requests/s");
    }
    for waiters in [1, 10, 100] {
        let cycles = if waiters == 1 { 300 } else { waiters * 6 };
        let words = [waiters.to_string(), cycles.to_string()];
        let (found, _) = figures::measure(world, "cycles", &words, 3, none).await?;
        let value = |name: &str| found.iter().find(|it| it.0 == name).map_or(0, |it| it.1);
        let per_second = value("per-second-x100");
        let median = Duration::from_nanos(value("median"));
        let high = Duration::from_nanos(value("p99"));
        let what = if waiters == 1 {
            "a cycle"
        } else {
            "a hand-off"
        };
        println!(
            "ours: mutex, {waiters} contend: {}.{:02} cycles/s; {what}: median {median:.2?}, p99 {high:.2?}",
            per_second / 100,
            per_second % 100
        );
        let etcd = Command::new(&arguments.etcd_mutex)
            .args(["-etcd", &server.etcd()])
            .args(["-waiters", &words[0], "-cycles", &words[1]])
            .output()?;
        let text = String::from_utf8_lossy(&etcd.stdout).into_owned();
        let words: Vec<_> = text.split_whitespace().collect();
        let [_, _, rate, median, high] = words[..] else {
            return Err(format!(
                "etcd's mutex: {text}{}",
                String::from_utf8_lossy(&etcd.stderr)
            )
            .into());
        };
        let (median, high) = (
            Duration::from_nanos(median.parse()?),
            Duration::from_nanos(high.parse()?),
        );
        println!(
            "etcd: mutex, {waiters} contend: {rate} cycles/s; {what}: median {median:.2?}, p99 {high:.2?}"
        );
    }
    Ok(())
}
