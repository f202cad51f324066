#[metaparticle::__spec(name = "web")]
fn main() {}
