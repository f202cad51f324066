#[metaparticle::sharded(shards = 3, key = "/{id}", ports = [8080], probes(readiness = "/ready"))]
fn main() {}
