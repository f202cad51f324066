#[metaparticle::containerize(memory = "64Mi")]
fn main() {}
