#[metaparticle::sharded(
    shards = 5,
    key_regex = "/users/([^/]+)/.*",
    slots = 1024,
    unmatched = "404",
    router = 2,
    gate = "pod",
    drain = 30,
    ports = [8080, "admin:9000"],
    probes(liveness = "/live", startup = "/up"),
)]
fn main() {}
