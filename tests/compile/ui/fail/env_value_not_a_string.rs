#[metaparticle::containerize(env(PORT = 8080))]
fn main() {}
