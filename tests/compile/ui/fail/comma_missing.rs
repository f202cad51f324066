#[metaparticle::containerize(name = "web" tag = "v1")]
fn main() {}
