//! A service that names no repository; it is never run.

#[metaparticle::containerize(name = "nowhere", ports = [8080])]
fn main() {}
