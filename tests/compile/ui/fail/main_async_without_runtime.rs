#[metaparticle::containerize]
async fn main() -> Result<(), std::io::Error> {
    std::future::ready(()).await;
    Ok(())
}
