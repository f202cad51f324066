#[metaparticle::sharded(shards = 3, key_header = "x user", ports = [8080])]
fn main() {}
