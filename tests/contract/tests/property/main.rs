//! Random operations: the embedded API keeps its promises under them, and answers them as a real API server does.
//!
//! `METAPARTICLE_CONTRACT_SEED` repeats a run, `METAPARTICLE_CONTRACT_OPERATIONS` sets its length.

mod compare;
mod invariants;
mod kinds;
mod mask;
mod operation;
mod pool;
mod random;
mod side;
mod spoiled;
mod whole;

use std::hash::{BuildHasher as _, RandomState};

use futures::{StreamExt as _, stream};
use metaparticle_contract::Server;

use compare::{compare, paths, shrink};
use kinds::KINDS;
use operation::Operation;
use pool::Pool;
use random::Random;

/// Operations in one namespace.
const LENGTH: usize = 50;
/// Namespaces at a time.
const AT_ONCE: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real API server: `cargo xtask contract`"]
async fn random_operations_are_answered_alike_by_both_servers() {
    let both = both().await;
    let servers = both.each_ref().map(|it| Pool::new(it.client()));
    let count = number("METAPARTICLE_CONTRACT_OPERATIONS", 10_000);
    let count = usize::try_from(count).expect("fits");
    let seed = number(
        "METAPARTICLE_CONTRACT_SEED",
        RandomState::new().hash_one(0) >> 1,
    );
    println!("seed {seed}");
    let cases = count.div_ceil(LENGTH);
    let found = stream::iter(0..cases)
        .map(|case| different(&servers, seed, case))
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect::<Vec<String>>()
        .await;
    for pool in &servers {
        pool.remove().await;
    }
    let (ran, differ) = (cases * LENGTH, found.len());
    println!(
        "contract: {ran} operations on both API servers, {differ} of {cases} sequences differ"
    );
    assert!(found.is_empty(), "seed {seed}\n{}", found.join("\n"));
}

/// The embedded one and the real one.
async fn both() -> [Server; 2] {
    let real = Server::real().await;
    let real = real.expect(metaparticle_contract::KUBECONFIG);
    [Server::embedded().await, real]
}

/// A report on the sequence of this number, if the servers differ in it.
async fn different(servers: &[Pool; 2], seed: u64, case: usize) -> Option<String> {
    let sequence = sequence(seed, case);
    let first = compare(servers, &sequence).await?;
    let (least, difference) = shrink(servers, &sequence, first).await;
    let mut found = Vec::new();
    paths("", &difference.left, &difference.right, &mut found);
    let steps: Vec<String> = least.iter().map(|it| format!("  {it:?}")).collect();
    Some(format!(
        "case {case}, on {}:\n{}\n  {}",
        least[0].plural(),
        steps.join("\n"),
        found.join("\n  ")
    ))
}

/// The operations of one case: all on one kind.
fn sequence(seed: u64, case: usize) -> Vec<Operation> {
    // Drawn first, so that neighbouring seeds share no sequence.
    let first = Random::new(seed).next();
    let mut random = Random::new(first.wrapping_add(u64::try_from(case).expect("fits")));
    let kind = case % KINDS.len();
    (0..LENGTH)
        .map(|_| Operation::random(&mut random, kind))
        .collect()
}

fn number(variable: &str, default: u64) -> u64 {
    let given = std::env::var(variable).ok().filter(|text| !text.is_empty());
    given.map_or(default, |text| text.parse().expect("a number"))
}
