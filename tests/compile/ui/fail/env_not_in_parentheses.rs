#[metaparticle::containerize(env = ["LOG=info"])]
fn main() {}
