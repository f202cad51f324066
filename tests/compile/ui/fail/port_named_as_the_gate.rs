#[metaparticle::sharded(shards = 3, key = "/{id}", ports = [8080, "gate:9000"])]
fn main() {}
