#[metaparticle::sharded(shards = 3, key = "/{id}", ports = [8080], name = "a-name-that-leaves-no-room-for-what-kubernetes-appends")]
fn main() {}
