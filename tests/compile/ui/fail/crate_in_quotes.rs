#[metaparticle::containerize(crate = "metaparticle")]
fn main() {}
