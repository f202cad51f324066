use metaparticle::{containerize as c, replicated as r};

#[c(ports = [8080])]
#[r(2)]
fn main() {}
