#[metaparticle::containerize("name" = "web")]
fn main() {}
