//! `#[tokio::main]` and the attributes in any order: the deployer never sees the runtime, `main` does.
#[tokio::main]
#[metaparticle::containerize(ports = [8080])]
#[metaparticle::replicated(2)]
async fn main() {
    let here = tokio::runtime::Handle::try_current();
    assert!(here.is_ok());
}
