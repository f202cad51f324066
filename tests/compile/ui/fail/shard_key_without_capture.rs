#[metaparticle::sharded(shards = 3, key = "/users", ports = [8080])]
fn main() {}
