#[metaparticle::sharded(shards = 101, key = "/{id}", slots = 16384, ports = [8080])]
fn main() {}
