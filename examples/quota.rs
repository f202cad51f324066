//! Ten replicas share a service that bears three callers at a time.

use std::time::Duration;

use metaparticle::coordinator::{Coordinator, Error};

/// How many the service bears, over all replicas.
const CALLERS: u32 = 3;

#[metaparticle::containerize(coordination)]
#[metaparticle::job(completions = 10, parallelism = 10)]
#[tokio::main]
async fn main() -> Result<(), Error> {
    let name = metaparticle::pod().map_or("a laptop".to_owned(), |pod| pod.name);
    let coordinator = Coordinator::connect().await?;
    let service = coordinator.semaphore("service", CALLERS);

    let place = service.acquire().await?;
    println!("{name} calls");
    tokio::time::sleep(Duration::from_millis(300)).await;
    println!("{name} is done");
    tokio::time::sleep(Duration::from_millis(100)).await; // hang up
    place.unlock().await?;

    coordinator.shutdown().await;
    Ok(())
}
