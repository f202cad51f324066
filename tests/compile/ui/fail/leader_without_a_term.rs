#[metaparticle::leader("billing")]
async fn bill() -> Result<(), metaparticle::coordinator::Error> {
    Ok(())
}
fn main() {}
