// exits with 1
#[metaparticle::containerize]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _: u8 = "not a number".parse()?;
    Ok(())
}
