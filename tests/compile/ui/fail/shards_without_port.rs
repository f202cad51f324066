#[metaparticle::sharded(shards = 3, key = "/users/{id}/…")]
fn main() {}
