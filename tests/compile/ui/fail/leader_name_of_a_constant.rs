const NAME: &str = "billing";
#[metaparticle::leader(NAME)]
async fn bill(_term: metaparticle::election::Term) -> Result<(), metaparticle::coordinator::Error> {
    let _ = NAME;
    Ok(())
}
fn main() {}
