#[metaparticle::containerize(env(LOG = "info", "LOG" = "debug"))]
fn main() {}
