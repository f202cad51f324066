#[metaparticle::containerize(coordination(polcy))]
fn main() {}
