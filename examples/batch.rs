//! A job of four completions, two at a time; each takes the part of the work that its index names.

const WORK: u64 = 1_000_000;
const PARTS: u64 = 4;

#[metaparticle::containerize]
#[metaparticle::job(completions = 4, parallelism = 2)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let part: u64 = std::env::var("JOB_COMPLETION_INDEX")?.parse()?;
    let from = WORK / PARTS * part;
    let sum: u64 = (from..from + WORK / PARTS).sum();
    println!("part {part}: the numbers from {from} sum up to {sum}");
    Ok(())
}
