#[metaparticle::job(completions = 2, parallelism = 4)]
fn main() {}
