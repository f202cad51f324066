//! Three replicas migrate a database when they start, one after the other. `cargo run --bin migrate -- 127.0.0.1:5432`
//! speaks to the one that listens there; without an address there is nothing to migrate.

use std::time::Duration;

use tokio::{io::AsyncReadExt as _, net::TcpStream};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[metaparticle::containerize(coordination)]
#[metaparticle::replicated(replicas = 3)]
#[tokio::main]
async fn main() -> Result<()> {
    let name = metaparticle::pod().map_or("a laptop".to_owned(), |pod| pod.name);
    let schema = migrate(std::env::args().nth(1)).await?;
    println!("{name} serves, by schema {schema}");
    metaparticle::shutdown().await;
    Ok(())
}

/// Runs in one replica at a time; the others wait in the order in which they came. Each runs it, so it must find out what
/// is left to do: a lock excludes, it does not remember.
#[metaparticle::exclusive("migrations")]
async fn migrate(database: Option<String>) -> Result<String> {
    let mut schema = String::new();
    match database {
        // If the lock is lost on the way, this is dropped, and the connection with it.
        Some(address) => {
            let mut database = TcpStream::connect(address).await?;
            database.read_to_string(&mut schema).await?;
        }
        None => tokio::time::sleep(Duration::from_millis(300)).await,
    }
    Ok(schema)
}
