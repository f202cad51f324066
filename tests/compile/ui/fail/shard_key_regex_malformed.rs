#[metaparticle::sharded(shards = 3, key_regex = "/users/([^/]+", ports = [8080])]
fn main() {}
