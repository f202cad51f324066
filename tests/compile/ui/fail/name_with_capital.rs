#[metaparticle::containerize(name = "Web")]
fn main() {}
