#[metaparticle::containerize(env(METAPARTICLE_ROLE = "job"))]
fn main() {}
