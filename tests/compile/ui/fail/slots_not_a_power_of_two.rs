#[metaparticle::sharded(shards = 3, key = "/{id}", slots = 1000, ports = [8080])]
fn main() {}
