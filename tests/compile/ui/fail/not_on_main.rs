#[metaparticle::containerize]
fn serve() {}

fn main() {
    serve();
}
