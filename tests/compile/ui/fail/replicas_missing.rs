#[metaparticle::replicated]
fn main() {}
