#[metaparticle::containerize]
fn main(arguments: Vec<String>) {
    println!("{arguments:?}");
}
