#[metaparticle::containerize(public)]
fn main() {}
