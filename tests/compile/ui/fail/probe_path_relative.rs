#[metaparticle::containerize(ports = [8080], probes(readiness = "ready"))]
fn main() {}
