#[metaparticle::containerize(name =)]
fn main() {}
