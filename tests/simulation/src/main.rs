//! `cargo xtask sim`: seeds, mutants and models, and their figures.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::process::ExitCode;

use clap::Parser;
use metaparticle_protocol::{Mutants, mutant::Mutant};
use metaparticle_simulation::{
    model,
    mutants::ALL,
    report,
    run::{Scenario, plan, play, shrink, told},
};

/// The machines of metaparticle-protocol under seeded faults
#[derive(Debug, Parser)]
struct Arguments {
    /// So many seeds of each scenario; of those with shards a fifth, unless one is chosen
    #[arg(long, default_value_t = 20_000)]
    seeds: u64,
    /// Only this one, told event by event where it breaks a promise
    #[arg(long)]
    seed: Option<u64>,
    /// Only this scenario
    #[arg(long, value_parser = |name: &str| Scenario::parse(name).ok_or("no such scenario"))]
    scenario: Option<Scenario>,
    /// Only this mutant
    #[arg(long)]
    mutant: Option<String>,
    /// So many seeds at most to find each mutant
    #[arg(long, default_value_t = 10_000)]
    mutant_seeds: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let scenarios = arguments
        .scenario
        .map_or(Scenario::JUDGED.to_vec(), |only| vec![only]);
    let is_good = match arguments.seed {
        Some(seed) => {
            let named = |mutant: &&(Mutant, _)| {
                let name = format!("{:?}", mutant.0);
                arguments
                    .mutant
                    .as_ref()
                    .is_some_and(|only| only.eq_ignore_ascii_case(&name))
            };
            let mutant = ALL.iter().find(named);
            let mutants = mutant.map_or(Mutants::NONE, |(mutant, _)| Mutants::only(*mutant));
            replay(&scenarios, seed, mutants)
        }
        None if arguments.mutant.is_some() => {
            mutants(arguments.mutant.as_deref(), arguments.mutant_seeds)
        }
        None if arguments.scenario.is_some() => seeds(&scenarios, arguments.seeds),
        None => {
            let (shards, others): (Vec<_>, Vec<_>) = scenarios
                .into_iter()
                .partition(|it| matches!(it, Scenario::Shards | Scenario::ShardsByHand));
            // A run of shards has as many events as five of the others.
            seeds(&others, arguments.seeds)
                & seeds(&shards, arguments.seeds / 5)
                & models()
                & mutants(None, arguments.mutant_seeds)
        }
    };
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One seed, event by event where it breaks a promise.
fn replay(scenarios: &[Scenario], seed: u64, mutants: Mutants) -> bool {
    let mut is_good = true;
    for scenario in scenarios {
        let whole = plan(*scenario, seed, mutants);
        let outcome = play(*scenario, whole.clone(), false);
        let Some(violation) = outcome.violation else {
            println!("{scenario:?} {seed}: holds, {} events", outcome.steps);
            continue;
        };
        is_good = false;
        let less = shrink(*scenario, &whole, &violation);
        let outcome = play(*scenario, less.clone(), true);
        for line in outcome.trace {
            println!("{line}");
        }
        let violation = outcome.violation.unwrap_or(violation);
        println!("{scenario:?} {seed}: {violation}");
        println!(
            "after {} events; {} processes, lease {:?}; faults:",
            outcome.steps, less.processes, less.lease
        );
        print!("{}", told(&less.script));
    }
    is_good
}

fn seeds(scenarios: &[Scenario], seeds: u64) -> bool {
    let summary = report::seeds(scenarios, seeds);
    for (scenario, seed, violation) in &summary.failures {
        println!("{scenario:?} {seed}: {violation}");
        println!("  again: cargo xtask sim --scenario {scenario:?} --seed {seed}");
    }
    let verdict = if summary.failures.is_empty() {
        "no promise broken"
    } else {
        "BROKEN"
    };
    println!(
        "seeds: {seeds} of {} scenarios, {} runs, {} events, {} guards: {verdict}",
        scenarios.len(),
        summary.runs,
        summary.events,
        summary.grants,
    );
    println!(
        "  client-go among them overlapped {} times by holding on",
        summary.foreign_overlaps
    );
    let alone = report::seeds(&[Scenario::ForeignAlone], seeds.min(1000));
    println!(
        "  client-go alone overlapped {} times in {} runs",
        alone.foreign_overlaps, alone.runs
    );
    summary.failures.is_empty() && (alone.foreign_overlaps > 0 || seeds < 100)
}

/// Each configuration is exhausted, and each mutant that one of them is to find is found.
fn models() -> bool {
    let mut is_good = true;
    for (name, check) in model::CONFIGURATIONS {
        let verdict = check(Mutants::NONE);
        let told = match &verdict.broken {
            Some((steps, what)) => format!("BROKEN after {steps} steps: {what}"),
            None if !verdict.is_exhausted => "NOT EXHAUSTED".to_owned(),
            None if !verdict.is_alive => "NOBODY EVER HOLDS".to_owned(),
            None => "no promise broken".to_owned(),
        };
        is_good &= verdict.broken.is_none() && verdict.is_exhausted && verdict.is_alive;
        println!("model: {name}: {} states, {told}", verdict.states);
    }
    for (mutant, (name, check)) in model::FOUND {
        if let Some((steps, what)) = check(Mutants::only(mutant)).broken {
            println!("  {mutant:?}: {steps} steps: {what}");
        } else {
            is_good = false;
            println!("  {mutant:?}: NOT FOUND among {name}");
        }
    }
    is_good
}

fn mutants(only: Option<&str>, seeds: u64) -> bool {
    let named =
        |mutant: Mutant| only.is_none_or(|only| only.eq_ignore_ascii_case(&format!("{mutant:?}")));
    let hunts = report::hunt(ALL.iter().filter(|(mutant, _)| named(*mutant)), seeds);
    let missed = hunts.iter().filter(|(.., found)| found.is_none()).count();
    println!("mutants: {} of {} found", hunts.len() - missed, hunts.len());
    for (mutant, scenarios, found) in &hunts {
        match found {
            Some(found) => println!(
                "  {mutant:?}: {:?} {}, {} events, {} faults: {}",
                found.scenario, found.seed, found.length, found.faults, found.violation
            ),
            None => println!("  {mutant:?}: NOT FOUND in {scenarios:?}"),
        }
    }
    missed == 0 && !hunts.is_empty()
}
