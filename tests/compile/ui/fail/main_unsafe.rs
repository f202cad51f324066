#[metaparticle::containerize]
unsafe fn main() {}
