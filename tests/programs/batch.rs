//! A job for the suites of the embedded cluster. With the argument `fail`, its run number 2 fails.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "programs may speak"
)]

#[metaparticle::job(name = "suite-batch", completions = 4, parallelism = 2)]
fn main() {
    let index = std::env::var("JOB_COMPLETION_INDEX").unwrap_or_default();
    println!("run {index}");
    if index == "2" && std::env::args().nth(1).as_deref() == Some("fail") {
        eprintln!("the input of run {index} is missing");
        std::process::exit(3);
    }
}
