//! Three replicas migrate a database when they start: one after the other, and only the first has anything to do.

use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[metaparticle::containerize(coordination)]
#[metaparticle::replicated(replicas = 3)]
#[tokio::main]
async fn main() -> Result<()> {
    let name = metaparticle::pod().map_or("a laptop".to_owned(), |pod| pod.name);
    migrate(&name).await?;
    println!("{name} serves");
    metaparticle::shutdown().await;
    Ok(())
}

/// Runs in one replica at a time; the others wait in the order in which they came. Each runs it, so it must find out what
/// is left to do: a lock excludes, it does not remember.
#[metaparticle::exclusive("migrations")]
async fn migrate(name: &str) -> Result<()> {
    println!("{name} begins to migrate");
    for step in ["table users", "index by mail"] {
        // If the lock were lost, this would be dropped here, at the latest.
        tokio::time::sleep(Duration::from_millis(100)).await;
        println!("{name} looks at {step}");
    }
    println!("{name} has migrated");
    tokio::time::sleep(Duration::from_millis(100)).await; // commit
    Ok(())
}
