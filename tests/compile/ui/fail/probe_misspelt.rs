#[metaparticle::containerize(ports = [8080], probes(rediness = "/ready"))]
fn main() {}
