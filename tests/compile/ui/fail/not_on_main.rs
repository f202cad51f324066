#[metaparticle::containerize]
async fn serve() {}

fn main() {
    drop(serve());
}
