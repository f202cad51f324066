#[metaparticle::job]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), std::io::Error> {
    tokio::spawn(async { Ok(()) }).await?
}
