#[metaparticle::containerize]
const fn main() {}
