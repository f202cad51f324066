#[metaparticle::containerize(on_exit = "keep")]
fn main() {}
