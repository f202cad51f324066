#[metaparticle::job(completions = 0)]
fn main() {}
