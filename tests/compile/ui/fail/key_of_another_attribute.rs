#[metaparticle::containerize(replicas = 4)]
fn main() {}
