#[metaparticle::containerize]
struct App;

fn main() {
    let App = App;
}
