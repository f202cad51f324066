#[metaparticle::sharded(shards = 3, key_regex = "/(users|teams)/([^/]+)", ports = [8080])]
fn main() {}
