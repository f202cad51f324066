//! Ten workers share a service that bears three callers at a time. `cargo run --bin quota -- 127.0.0.1:8000` calls the one
//! that listens there; without an address nobody is called.

use std::{io, time::Duration};

use metaparticle::coordinator::{Coordinator, Error};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// How many the service bears, over all workers.
const CALLERS: u32 = 3;

#[metaparticle::containerize(coordination)]
#[metaparticle::job(completions = 10, parallelism = 10)]
#[tokio::main]
async fn main() -> Result<(), Error> {
    let name = metaparticle::pod().map_or("a laptop".to_owned(), |pod| pod.name);
    let coordinator = Coordinator::connect().await?;

    let place = coordinator.semaphore("service", CALLERS).acquire().await?;
    let answer = call(std::env::args().nth(1)).await;
    println!("{name} has called: {answer:?}");
    place.unlock().await?;

    coordinator.shutdown().await;
    Ok(())
}

/// Calls the service, and takes as long as it does.
async fn call(service: Option<String>) -> io::Result<String> {
    let mut answer = String::new();
    match service {
        Some(address) => {
            let mut service = TcpStream::connect(address).await?;
            service.read_to_string(&mut answer).await?;
        }
        None => tokio::time::sleep(Duration::from_millis(300)).await,
    }
    Ok(answer)
}
