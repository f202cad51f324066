//! [`bind`]: a port of this machine for a port of the program.

use std::{io, net::Ipv4Addr};

use tokio::net::TcpListener;

/// How many ports are tried before any free one is taken.
const TRIES: u16 = 20;

/// Listens on 127.0.0.1 at `wanted`, or at the next port that is free. Ports below 1024 are tried at 8000 above if this
/// user may not have them: 80 becomes 8080.
///
/// # Errors
/// The last error, if there is no free port at all.
pub(super) async fn bind(wanted: u16) -> io::Result<TcpListener> {
    for port in candidates(wanted) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Err(error) if is_taken(&error) && port != 0 => {}
            result => return result,
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
    )
}

fn candidates(wanted: u16) -> impl Iterator<Item = u16> {
    let next = if wanted < 1024 { wanted + 8000 } else { wanted };
    std::iter::once(wanted).chain((0..TRIES).filter_map(move |offset| next.checked_add(offset)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_not_allowed_is_sought_above_8000() {
        let ports: Vec<_> = candidates(80).take(3).collect();
        assert_eq!(ports, [80, 8080, 8081]);
    }

    #[test]
    fn the_search_ends_at_the_last_port() {
        assert_eq!(candidates(65535).max(), Some(65535));
    }

    #[tokio::test]
    async fn a_taken_port_gives_way_to_the_next_free_one() {
        let first = bind(0).await.unwrap();
        let taken = first.local_addr().unwrap().port();
        let second = bind(taken).await.unwrap().local_addr().unwrap().port();
        assert_ne!(second, taken);
    }
}
