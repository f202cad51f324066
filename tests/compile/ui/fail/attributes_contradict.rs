#[metaparticle::replicated(4)]
#[metaparticle::job]
fn main() {}
