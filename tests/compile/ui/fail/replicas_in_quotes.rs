#[metaparticle::replicated(replicas = "4")]
fn main() {}
