#[metaparticle::containerize]
extern "C" fn main() {}
