// exits with 7
#[metaparticle::containerize]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(7)
}
