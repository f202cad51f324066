#[metaparticle::replicated(4 public)]
fn main() {}
