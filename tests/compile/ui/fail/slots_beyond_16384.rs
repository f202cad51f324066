#[metaparticle::sharded(shards = 3, key = "/{id}", slots = 32768, ports = [8080])]
fn main() {}
