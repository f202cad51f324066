// exits with 7
// The contradiction is gated away.
#[metaparticle::job]
#[cfg_attr(not(feature = "gated"), metaparticle::replicated(2))]
fn main() {
    std::process::exit(7);
}
