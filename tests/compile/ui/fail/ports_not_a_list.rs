#[metaparticle::containerize(ports = 8080)]
fn main() {}
