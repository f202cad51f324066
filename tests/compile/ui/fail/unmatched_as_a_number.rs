#[metaparticle::sharded(shards = 3, key = "/{id}", unmatched = 404, ports = [8080])]
fn main() {}
