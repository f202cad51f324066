#[metaparticle::containerize(port = 8080)]
fn main() {}
