struct App;

impl App {
    #[metaparticle::containerize]
    fn main(&self) {}
}

fn main() {
    App.main();
}
