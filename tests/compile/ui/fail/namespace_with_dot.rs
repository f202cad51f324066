#[metaparticle::containerize(namespace = "shop.prod")]
fn main() {}
