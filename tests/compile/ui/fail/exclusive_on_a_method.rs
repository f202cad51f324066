struct Program;
impl Program {
    #[metaparticle::exclusive("migrations")]
    async fn migrate(&self) -> Result<(), metaparticle::coordinator::Error> {
        Ok(())
    }
}
fn main() {
    drop(Program.migrate());
}
