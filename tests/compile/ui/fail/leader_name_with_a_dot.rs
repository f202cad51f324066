#[metaparticle::leader("Billing.v1")]
async fn bill(_term: metaparticle::election::Term) -> Result<(), metaparticle::coordinator::Error> {
    Ok(())
}
fn main() {}
