#[metaparticle::containerize]
fn main<T>()
where
    T: Default,
{
}
