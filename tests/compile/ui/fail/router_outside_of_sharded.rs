#[metaparticle::replicated(replicas = 3, router = 2, ports = [8080])]
fn main() {}
