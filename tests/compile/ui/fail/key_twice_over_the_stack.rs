#[metaparticle::containerize(name = "web")]
#[metaparticle::replicated(4, name = "shop")]
fn main() {}
