//! [`listen`]: a listener for a declared port, wherever the program runs.

use std::{
    env, io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use tokio::net::TcpListener;

/// Listens on TCP `port` of this pod: on all addresses in a container, and on the pod's own address where the embedded
/// cluster gave it one.
///
/// A program that binds `0.0.0.0` itself runs everywhere, too, but for machines where several pods cannot have one port
/// (macOS, sandboxes without seccomp notification): the embedded cluster says so there and names this function, which
/// takes the address and port that the pod was given.
///
/// # Errors
/// Those of binding: the port is taken, or below 1024 without the permission.
///
/// # Panics
/// Outside of a Tokio runtime with I/O enabled.
///
/// # Cancel safety
/// Cancel safe: nothing is bound once it is dropped.
///
/// # Examples
/// ```no_run
/// # async fn serve() -> std::io::Result<()> {
/// # let app = axum::Router::new();
/// axum::serve(metaparticle::listen(8080).await?, app).await
/// # }
/// ```
pub async fn listen(port: u16) -> io::Result<TcpListener> {
    let given = |name: &str| env::var(name).ok();
    match address(port, given) {
        Some(address) => TcpListener::bind(address).await,
        None => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
            Ok(listener) => Ok(listener),
            // No IPv6 here.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(("0.0.0.0", port)).await
            }
            Err(error) => Err(error),
        },
    }
}

/// Where the embedded cluster wants the pod to listen: `METAPARTICLE_LISTEN_ADDRESS`, and `METAPARTICLE_PORT_8080` for
/// the port that stands for 8080.
pub(crate) fn address(port: u16, given: impl Fn(&str) -> Option<String>) -> Option<SocketAddr> {
    let address: IpAddr = given("METAPARTICLE_LISTEN_ADDRESS")?.parse().ok()?;
    let port = given(&format!("METAPARTICLE_PORT_{port}"))
        .and_then(|it| it.parse().ok())
        .unwrap_or(port);
    Some((address, port).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pods_own_address_and_port_go_first() {
        let given = |name: &str| match name {
            "METAPARTICLE_LISTEN_ADDRESS" => Some("127.64.0.2".to_owned()),
            "METAPARTICLE_PORT_8080" => Some("41000".to_owned()),
            _ => None,
        };
        assert_eq!(
            address(8080, given),
            Some("127.64.0.2:41000".parse().unwrap())
        );
        assert_eq!(
            address(9090, given),
            Some("127.64.0.2:9090".parse().unwrap())
        );
        assert_eq!(address(8080, |_| None), None);
    }
}
