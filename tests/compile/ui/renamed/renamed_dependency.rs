#[renamed::replicated(2)]
#[renamed::containerize(ports = [8080], crate = renamed)]
fn main() {}
