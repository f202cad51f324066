#[metaparticle::job(ports = [8080])]
fn main() {}
