#[metaparticle::exclusive("migrations", "more")]
async fn migrate() -> Result<(), metaparticle::coordinator::Error> {
    Ok(())
}
fn main() {}
