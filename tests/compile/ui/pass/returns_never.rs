// exits with 7
#[metaparticle::containerize]
fn main() -> ! {
    std::process::exit(7)
}
