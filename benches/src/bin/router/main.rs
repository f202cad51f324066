//! The data plane beside nginx, HAProxy, pingora and Envoy: our part of `cargo xtask peers router`, which says how it is
//! measured. One program, so that one build makes all of:
//! - `backend`: applications that answer at once, all on one thread;
//! - `gate`: our gate on one thread, before one application, or before other gates that own the slots (a router);
//! - `owners`: those other gates;
//! - `load`: requests at a constant rate, each timed from when it was due, however slow the ones before it are;
//! - `heads`: what it costs to decide on heads, alone.

mod backend;
mod gate;
mod heads;
mod load;
mod owner;

use std::{env, error::Error, net::SocketAddr};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words {
        ["backend", protocol, bytes, listen] => {
            backend::run(protocol == "h2c", bytes.parse()?, &addresses(listen)?)
        }
        ["gate", protocol, listen, app] => {
            gate::run(protocol == "h2c", listen.parse()?, app.parse()?)
        }
        ["router", protocol, listen, owners] => {
            gate::router(protocol == "h2c", listen.parse()?, &addresses(owners)?)
        }
        ["owners", protocol, listen, apps] => {
            gate::owners(protocol == "h2c", &addresses(listen)?, &addresses(apps)?)
        }
        ["load", target, rate, seconds] => {
            load::run(target.parse()?, rate.parse()?, seconds.parse()?)
        }
        ["heads"] => heads::run(),
        _ => Err(format!("not understood: {words:?}").into()),
    }
}

/// Addresses with commas between them.
fn addresses(list: &str) -> Result<Vec<SocketAddr>, Box<dyn Error>> {
    let parsed = list.split(',').map(str::parse).collect::<Result<_, _>>();
    Ok(parsed?)
}
