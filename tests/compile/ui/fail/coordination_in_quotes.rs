#[metaparticle::containerize(coordination("policy"))]
fn main() {}
