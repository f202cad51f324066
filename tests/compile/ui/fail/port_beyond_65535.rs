#[metaparticle::containerize(ports = [8080, 70000])]
fn main() {}
