#[metaparticle::containerize(ports = ["8080/sctp"])]
fn main() {}
