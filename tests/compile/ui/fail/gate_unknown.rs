#[metaparticle::sharded(shards = 3, key = "/{id}", gate = "sidecar", ports = [8080])]
fn main() {}
