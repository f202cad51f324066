#[metaparticle::sharded(shards = 2, key_header = "X-User", gate = "none", ports = [8080])]
fn main() {}
