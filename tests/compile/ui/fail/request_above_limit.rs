#[metaparticle::containerize(resources(cpu = "2", cpu_limit = "500m"))]
fn main() {}
