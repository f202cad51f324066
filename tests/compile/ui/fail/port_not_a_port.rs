#[metaparticle::containerize(ports = [8080, true])]
fn main() {}
