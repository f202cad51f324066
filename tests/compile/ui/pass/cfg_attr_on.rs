#[cfg_attr(feature = "gated", metaparticle::containerize(name = "gated", ports = [8080]))]
#[cfg_attr(all(), metaparticle::replicated(2))]
fn main() {}
