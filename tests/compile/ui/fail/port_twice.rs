#[metaparticle::containerize(ports = [8080, "admin:8080"])]
fn main() {}
