//! Addresses of pods: each has its own of 127.0.0.0/8, in a subnet that no other cluster of this machine uses.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, RandomState},
    io,
    net::{Ipv4Addr, UdpSocket},
    sync::{Arc, Mutex, PoisonError},
};

/// Whoever binds this port of UDP at a subnet's first address has the subnet. Below the ports that systems hand out.
const CLAIM_PORT: u16 = 29_127;

/// The subnets to choose from: 127.64.0.0/24 to 127.254.255.0/24, far from what people type.
const FIRST: u32 = u32::from_be_bytes([127, 64, 0, 0]);
const SUBNETS: u32 = 191 * 256;

/// How many subnets are tried.
const ATTEMPTS: u32 = 64;

/// A subnet of this cluster's own, for as long as it lives.
#[derive(Clone, Debug)]
pub(crate) struct Subnet(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    first: u32,
    pool: Mutex<Pool>,
    /// Holds the claim.
    _claim: UdpSocket,
}

/// The address of a pod. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Address {
    ip: Ipv4Addr,
    subnet: Subnet,
}

impl Subnet {
    /// Claims a subnet.
    ///
    /// # Errors
    /// `AddrInUse` if all that were tried are claimed by other clusters; else why this machine has no such addresses.
    pub(crate) fn claim() -> io::Result<Self> {
        let random = RandomState::new();
        let mut result = Err(io::ErrorKind::AddrInUse.into());
        for attempt in 0..ATTEMPTS {
            let index = random.hash_one(attempt) % u64::from(SUBNETS);
            let index = u32::try_from(index).unwrap_or_default();
            result = Self::claim_at(FIRST + index * 256);
            if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
                break;
            }
        }
        result
    }

    fn claim_at(first: u32) -> io::Result<Self> {
        let claim = UdpSocket::bind((Ipv4Addr::from(first + 1), CLAIM_PORT))?;
        Ok(Self(Arc::new(Inner {
            first,
            pool: Mutex::default(),
            _claim: claim,
        })))
    }

    /// The cluster's own address.
    pub(crate) fn host(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.0.first + 1)
    }

    /// An address that no pod has, and that none had for as long as possible; `None` if all are taken.
    pub(crate) fn allocate(&self) -> Option<Address> {
        let mut pool = self.0.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let last = pool.allocate()?;
        Some(Address {
            ip: Ipv4Addr::from(self.0.first + u32::from(last)),
            subnet: self.clone(),
        })
    }
}

impl Address {
    /// The address.
    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.ip
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        let pool = &self.subnet.0.pool;
        let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.taken.remove(&self.ip.octets()[3]);
    }
}

/// The last bytes of a subnet's addresses: 1 is the cluster's, 0 and 255 are nobody's.
#[derive(Debug, Default)]
struct Pool {
    taken: BTreeSet<u8>,
    latest: u8,
}

impl Pool {
    fn allocate(&mut self) -> Option<u8> {
        let from_here = (2..=254)
            .cycle()
            .skip(usize::from(self.latest.saturating_sub(1)));
        let free = from_here.take(253).find(|it| !self.taken.contains(it))?;
        self.taken.insert(free);
        self.latest = free;
        Some(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_used_again_as_late_as_possible() {
        let mut pool = Pool::default();
        assert_eq!((pool.allocate(), pool.allocate()), (Some(2), Some(3)));
        pool.taken.remove(&2);
        assert_eq!(pool.allocate(), Some(4));
        pool.latest = 254;
        assert_eq!(pool.allocate(), Some(2));
    }

    #[test]
    fn a_full_pool_has_none() {
        let mut pool = Pool::default();
        let all: BTreeSet<u8> = (0..253).filter_map(|_| pool.allocate()).collect();
        assert_eq!(all, (2..=254).collect());
        assert_eq!(pool.allocate(), None);
    }

    #[test]
    fn a_subnet_is_claimed_once_until_it_is_dropped() {
        let Ok(subnet) = Subnet::claim() else {
            return crate::node::skip("this machine has no such addresses");
        };
        let first = subnet.0.first;
        assert!(Subnet::claim_at(first).is_err());
        let address = subnet.allocate().unwrap();
        assert_eq!(u32::from(address.ip()), u32::from(subnet.host()) + 1);
        drop(subnet);
        assert!(Subnet::claim_at(first).is_err(), "the address holds it");
        drop(address);
        assert!(Subnet::claim_at(first).is_ok());
    }
}
