#[metaparticle::sharded(shards = 2, key_query = "user", unmatched = "any", ports = [8080])]
fn main() {}
