#[metaparticle::containerize(base = "Debian:")]
fn main() {}
