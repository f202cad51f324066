#[metaparticle::sharded(shards = 2, key_header = "X-User", gate = "layer", ports = [8080])]
fn main() {}
