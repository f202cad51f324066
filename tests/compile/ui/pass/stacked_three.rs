#[metaparticle::containerize(ports = [8080])]
#[metaparticle::sharded(shards = 3)]
#[metaparticle::sharded(key = "/users/{id}/…")]
fn main() {}
