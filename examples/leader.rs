//! Three replicas, one of them works. End its process: another goes on, with a higher token.
//! `cargo run --bin leader`, and in another terminal `kill` (or `kill -9`) the process that the leader prints.

use std::time::Duration;

use metaparticle::election::Term;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[metaparticle::containerize(coordination)]
#[metaparticle::replicated(replicas = 3)]
#[tokio::main]
async fn main() -> Result<()> {
    work().await
}

/// Runs in one replica at a time, for as long as that leads.
#[metaparticle::leader("work")]
async fn work(term: Term) -> Result<()> {
    let name = metaparticle::pod().map_or("a laptop".to_owned(), |pod| pod.name);
    let (process, token) = (std::process::id(), term.token());
    println!("{name} leads: process {process}, token {token}");
    for piece in 1_u64.. {
        // A hand-over waits until the permit is dropped, so that no piece is cut in two.
        let permit = term.permit()?;
        println!("{name} does piece {piece} under token {token}");
        drop(permit);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
