//! Five mistakes over two attributes, each reported once, and nothing else.
use metaparticle::{containerize, replicated};

#[containerize(name = "Web", ports = [70000], publi, env(LOG = 1))]
#[replicated(replicas = 0)]
fn main() {
    let answer: u8 = 42;
    println!("{answer}");
}
