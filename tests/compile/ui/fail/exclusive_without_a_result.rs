#[metaparticle::exclusive("migrations")]
async fn migrate() {}
fn main() {}
