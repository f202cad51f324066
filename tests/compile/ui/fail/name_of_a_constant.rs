const NAME: &str = "web";

#[metaparticle::containerize(name = NAME)]
fn main() {
    println!("{NAME}");
}
