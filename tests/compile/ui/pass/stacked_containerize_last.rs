#[metaparticle::replicated(replicas = 4)]
#[metaparticle::containerize(ports = [8080])]
fn main() {}
