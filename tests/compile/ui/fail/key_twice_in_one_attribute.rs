#[metaparticle::containerize(name = "web", name = "shop")]
fn main() {}
