//! A program that runs once and ends, in a container.

#[metaparticle::containerize]
fn main() {
    let name = metaparticle::pod().map_or("a laptop".to_owned(), |pod| pod.name);
    println!("Hello from {name}!");
}
