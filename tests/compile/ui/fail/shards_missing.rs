#[metaparticle::sharded(key = "/users/{id}/…", ports = [8080])]
fn main() {}
