#[metaparticle::exclusive("migrations")]
fn migrate() -> Result<(), metaparticle::coordinator::Error> {
    Ok(())
}
fn main() {}
