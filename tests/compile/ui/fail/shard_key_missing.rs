#[metaparticle::sharded(shards = 3, ports = [8080])]
fn main() {}
