#[metaparticle::replicated(replicas = 2_147_483_648)]
fn main() {}
