//! Which `bind`s of a pod mean its own address, and how they are written. Pure.

use std::net::Ipv4Addr;

/// Length of a `sockaddr_in`, and of a `sockaddr_in6`.
const V4: usize = 16;
const V6: usize = 28;

/// A `bind` to the wildcard address, as the pod's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rewritten {
    /// For a socket of IPv4.
    V4([u8; V4]),
    /// For a socket of IPv6, by an address that maps IPv4's: the socket must not be for IPv6 only.
    V6([u8; V6]),
}

impl Rewritten {
    /// The bytes of the address.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
        }
    }
}

impl Rewritten {
    /// The port; both addresses have it in the same place.
    pub(super) fn port(&self) -> u16 {
        let bytes = self.bytes();
        u16::from_be_bytes([bytes[2], bytes[3]])
    }

    pub(super) fn set_port(&mut self, port: u16) {
        let bytes: &mut [u8] = match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
        };
        bytes[2..4].copy_from_slice(&port.to_be_bytes());
    }
}

/// The address to bind instead of the given one; `None` leaves it as it is. That is so for every address but the
/// wildcards `0.0.0.0`, `::` and `::ffff:0.0.0.0`: also `127.0.0.1`, which all pods share.
pub(super) fn rewrite(address: &[u8], own: Ipv4Addr) -> Option<Rewritten> {
    let family = u16::from_ne_bytes(address.first_chunk().copied()?);
    match libc::c_int::from(family) {
        libc::AF_INET => {
            let mut bytes: [u8; V4] = address.first_chunk().copied()?;
            (bytes[4..8] == [0; 4]).then(|| {
                bytes[4..8].copy_from_slice(&own.octets());
                Rewritten::V4(bytes)
            })
        }
        libc::AF_INET6 => {
            let mut bytes: [u8; V6] = address.first_chunk().copied()?;
            let wildcards = [[0; 16], Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().octets()];
            wildcards.iter().any(|it| *it == bytes[8..24]).then(|| {
                bytes[8..24].copy_from_slice(&own.to_ipv6_mapped().octets());
                Rewritten::V6(bytes)
            })
        }
        _ => None,
    }
}

/// `[::1]` with any port: for a program that binds both `0.0.0.0` and, for IPv6 only, `::`. Its pod has no address of
/// IPv6, so that nobody comes that way.
pub(super) fn nowhere() -> [u8; V6] {
    let mut bytes = [0; V6];
    let family = u16::try_from(libc::AF_INET6).unwrap_or_default();
    bytes[..2].copy_from_slice(&family.to_ne_bytes());
    bytes[23] = 1;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(127, 77, 3, 2);

    fn v4(ip: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![0; V4];
        bytes[..2].copy_from_slice(&u16::try_from(libc::AF_INET).unwrap().to_ne_bytes());
        bytes[2..4].copy_from_slice(&8080_u16.to_be_bytes());
        bytes[4..8].copy_from_slice(&ip);
        bytes
    }

    fn v6(ip: &str) -> Vec<u8> {
        let mut bytes = vec![0; V6];
        bytes[..2].copy_from_slice(&u16::try_from(libc::AF_INET6).unwrap().to_ne_bytes());
        bytes[2..4].copy_from_slice(&8080_u16.to_be_bytes());
        bytes[8..24].copy_from_slice(&ip.parse::<std::net::Ipv6Addr>().unwrap().octets());
        bytes
    }

    #[test]
    fn the_wildcard_becomes_the_pods_own_address_with_the_same_port() {
        let expected = v4([127, 77, 3, 2]);
        assert_eq!(rewrite(&v4([0; 4]), OWN).unwrap().bytes(), expected);
    }

    #[test]
    fn the_wildcards_of_ipv6_become_the_mapped_address() {
        let expected = v6("::ffff:127.77.3.2");
        assert_eq!(rewrite(&v6("::"), OWN).unwrap().bytes(), expected);
        assert_eq!(
            rewrite(&v6("::ffff:0.0.0.0"), OWN).unwrap().bytes(),
            expected
        );
    }

    #[test]
    fn other_addresses_stay() {
        assert_eq!(rewrite(&v4([127, 0, 0, 1]), OWN), None);
        assert_eq!(rewrite(&v6("::1"), OWN), None);
        assert_eq!(rewrite(&[1, 0, b'/', b'a'], OWN), None);
    }

    #[test]
    fn a_short_address_is_left_to_the_kernel_to_refuse() {
        for length in 0..V4 {
            assert_eq!(rewrite(&v4([0; 4])[..length], OWN), None, "{length}");
        }
        assert_eq!(rewrite(&v6("::")[..24], OWN), None);
    }
}
