//! A service, to be deployed (or not) by the suites; it is never run.

#[metaparticle::containerize(name = "web", ports = [8080], repository = "127.0.0.1:1/suite")]
#[metaparticle::replicated(replicas = 2)]
fn main() {}
