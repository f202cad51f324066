#[metaparticle::containerize(colour = "blue")]
fn main() {}
