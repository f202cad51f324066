#[metaparticle::containerize(repositry = "registry.example.com/team")]
fn main() {}
