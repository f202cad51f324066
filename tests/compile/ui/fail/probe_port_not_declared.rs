#[metaparticle::replicated(2, ports = [8080], probes(liveness = "/live", port = 9090))]
fn main() {}
