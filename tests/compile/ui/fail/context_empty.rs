#[metaparticle::containerize(context = "")]
fn main() {}
