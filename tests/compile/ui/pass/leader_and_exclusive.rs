//! What the attributes make has the types that were written; nothing runs without a cluster.
#![deny(warnings)]
use metaparticle::{coordinator::Error, election::Term};

type Result<T, E = Error> = std::result::Result<T, E>;

/// Documentation and visibility stay.
#[metaparticle::leader("billing")]
pub async fn bill(term: Term) -> Result<()> {
    while term.check().is_ok() {
        return Ok(());
    }
    Err(Error::Shutdown)
}

#[metaparticle::exclusive("migrations")]
async fn migrate<'a, T: AsRef<str>>(mut to: u32, (_a, _b): (u8, &'a str), by: T) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
    to += 1;
    Ok(by.as_ref().len() + usize::try_from(to)?)
}

fn is_send<T: Send>(_: &T) {}

fn main() {
    let future = bill();
    is_send(&future);
    drop(future);
    let future = migrate(1, (2, "x"), "y");
    is_send(&future);
    drop(future);
}
