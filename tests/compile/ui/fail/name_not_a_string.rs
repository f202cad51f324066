#[metaparticle::containerize(name = 5)]
fn main() {}
