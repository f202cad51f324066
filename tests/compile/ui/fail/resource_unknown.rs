#[metaparticle::containerize(resources(disk = "1Gi"))]
fn main() {}
