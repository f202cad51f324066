#[metaparticle::replicated(replicas = 0)]
fn main() {}
