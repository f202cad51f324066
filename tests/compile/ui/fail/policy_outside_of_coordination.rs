#[metaparticle::containerize(policy)]
fn main() {}
