#[metaparticle::sharded(shards = 3, key_query = "user=", ports = [8080])]
fn main() {}
