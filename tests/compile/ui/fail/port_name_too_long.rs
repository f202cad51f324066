#[metaparticle::containerize(ports = ["administration-port:8080"])]
fn main() {}
