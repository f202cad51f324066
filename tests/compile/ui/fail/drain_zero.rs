#[metaparticle::sharded(shards = 3, key = "/{id}", drain = 0, ports = [8080])]
fn main() {}
