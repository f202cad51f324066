#[metaparticle::containerize(repository = "registry.example.com/team:v1")]
fn main() {}
