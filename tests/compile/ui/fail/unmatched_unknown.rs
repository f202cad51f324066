#[metaparticle::sharded(shards = 3, key = "/{id}", unmatched = "403", ports = [8080])]
fn main() {}
