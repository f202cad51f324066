#[metaparticle::containerize]
fn main() {}
