#[metaparticle::replicated(replicas = -1)]
fn main() {}
