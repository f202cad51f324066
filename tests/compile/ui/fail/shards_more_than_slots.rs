#[metaparticle::sharded(shards = 9, key = "/{id}", slots = 8, ports = [8080])]
fn main() {}
