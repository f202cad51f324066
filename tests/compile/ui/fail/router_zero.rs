#[metaparticle::sharded(shards = 3, key = "/{id}", router = 0, ports = [8080])]
fn main() {}
