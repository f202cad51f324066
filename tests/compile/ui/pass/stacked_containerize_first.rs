#[metaparticle::containerize(ports = [8080, "9090/udp", "admin:9000", "dns:53/udp"], public)]
#[metaparticle::replicated(4)]
fn main() {}
