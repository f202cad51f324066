#[metaparticle::containerize(resources(memory = "64MB"))]
fn main() {}
