#[metaparticle::containerize]
fn main() -> impl std::process::Termination {
    if std::env::args().count() > 5 {
        return Err("too many arguments");
    }
    Ok(())
}
