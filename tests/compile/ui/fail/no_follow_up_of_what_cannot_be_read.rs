#[metaparticle::containerize(name = "web" tag = "v1", env(LOG = "info" LEVEL = "2"))]
#[metaparticle::sharded(shards 3, key =, ports = [8080])]
fn main() {}
