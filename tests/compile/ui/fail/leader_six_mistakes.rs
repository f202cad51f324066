#[metaparticle::leader(name = "billing")]
const fn bill<T>(_term: metaparticle::election::Term, _more: T) {}
fn main() {}
