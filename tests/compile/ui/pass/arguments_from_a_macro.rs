macro_rules! program {
    ($name:literal, $replicas:expr) => {
        #[metaparticle::replicated($replicas, name = $name)]
        fn main() {}
    };
}

program!("web", 4);
