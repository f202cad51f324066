#[::metaparticle::containerize(ports = [8080])]
#[::metaparticle::replicated(2)]
fn main() {}
