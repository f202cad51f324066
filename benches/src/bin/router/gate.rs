//! Our gate, on one thread.

use std::{error::Error, net::SocketAddr, num::NonZeroUsize, sync::Arc, thread};

use metaparticle_router::{Config, Gate, KeySource, Upstream};

use crate::owner::Owner;

/// A gate before one application. Serves until it is ended.
pub(crate) fn run(h2c: bool, listen: SocketAddr, app: SocketAddr) -> Result<(), Box<dyn Error>> {
    let _gate = before(app, 0, h2c, listen)?;
    forever()
}

/// A gate before the gates of other owners. Serves until it is ended.
pub(crate) fn router(
    h2c: bool,
    listen: SocketAddr,
    others: &[SocketAddr],
) -> Result<(), Box<dyn Error>> {
    let owner = Arc::new(Owner::of_none(others));
    let gate = Gate::router(owner, keys()?, config(h2c)).threads(NonZeroUsize::MIN);
    let _gate = gate.start(listen)?;
    forever()
}

/// A gate before each application. Serves until it is ended.
pub(crate) fn owners(
    h2c: bool,
    listen: &[SocketAddr],
    apps: &[SocketAddr],
) -> Result<(), Box<dyn Error>> {
    let all = listen.iter().zip(apps).enumerate();
    let gates: Result<Vec<_>, _> = all
        .map(|(index, (&listen, &app))| before(app, index, h2c, listen))
        .collect();
    let _gates = gates?;
    forever()
}

fn before(
    app: SocketAddr,
    index: usize,
    h2c: bool,
    listen: SocketAddr,
) -> Result<Gate, Box<dyn Error>> {
    let owner = Arc::new(Owner::of_all(index));
    let gate = Gate::builder(owner, app, keys()?, config(h2c)).threads(NonZeroUsize::MIN);
    Ok(gate.start(listen)?)
}

fn keys() -> Result<KeySource, Box<dyn Error>> {
    Ok(KeySource::path("/users/{id}/…")?)
}

fn config(h2c: bool) -> Config {
    let mut config = Config::default();
    if h2c {
        config.upstream = Upstream::H2c;
    }
    config
}

fn forever() -> ! {
    loop {
        thread::park();
    }
}
