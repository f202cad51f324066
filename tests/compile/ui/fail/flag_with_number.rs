#[metaparticle::containerize(ports = [8080], public = 1)]
fn main() {}
