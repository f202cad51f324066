#[metaparticle::containerize(tag = "1.0+build")]
fn main() {}
