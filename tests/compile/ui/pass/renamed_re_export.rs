mod web {
    pub use metaparticle as platform;
}

#[web::platform::containerize(crate = crate::web::platform)]
fn main() {}
