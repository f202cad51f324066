//! A sharded service, which cannot be deployed yet; it is never run.

#[metaparticle::sharded(shards = 2, key = "/users/{id}/…")]
#[metaparticle::containerize(name = "users", ports = [8080])]
fn main() {}
