#[metaparticle::job(4)]
fn main() {}
