//! Each crate behind the same few questions. Nodes are plain numbers to the others, which is the cheapest for them, and
//! names to us.

use std::{
    collections::hash_map::DefaultHasher,
    hash::BuildHasherDefault,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use metaparticle_shard::{Access, Assigner, Layout, Members, Node, Ring, ShardMap};

/// A set of nodes, ordered, and who of them has a key.
pub(crate) trait Peer {
    /// The crate's own structure.
    type Map;
    /// Only the last node can leave.
    const LAST_ONLY: bool = false;
    /// One of these for `nodes`.
    fn build(&self, nodes: &[u32]) -> Self::Map;
    /// As it is after a node came or went: changed where the crate can, built anew where it cannot.
    fn update(
        &self,
        map: Self::Map,
        nodes: &[u32],
        came: Option<u32>,
        went: Option<u32>,
    ) -> Self::Map;
    /// Who has the key, in the crate's own numbers.
    fn owner(map: &Self::Map, key: &'static str) -> u32;
    /// The node of such a number.
    fn node(_map: &Self::Map, owner: u32) -> u32 {
        owner
    }
    /// Who else, the owner included: up to three; none if the crate does not say.
    fn three(_map: &Self::Map, _key: &'static str) -> Option<[u32; 3]> {
        None
    }
}

/// Points of a node, where the crate lets one choose.
const POINTS: u16 = 160;

pub(crate) struct Ours(pub Layout);

impl Ours {
    pub(crate) fn min_move(slots: u32, replicas: u8) -> Self {
        let layout = Layout::try_new(slots, replicas, Assigner::MinMove, Access::Exclusive);
        Self(layout.expect("valid"))
    }

    pub(crate) fn ring(slack: Option<u8>) -> Self {
        let ring = Ring::default().with_slack(slack);
        let layout = Layout::try_new(1 << 14, 1, Assigner::Ring(ring), Access::Shared);
        Self(layout.expect("valid"))
    }
}

fn name(number: u32) -> String {
    format!("users-{number:05}")
}

/// The numbers of nodes are those of the names in order, so that a number within a map is one of `nodes`.
pub(crate) struct Named {
    map: ShardMap,
    nodes: Vec<u32>,
}

impl Peer for Ours {
    type Map = Named;

    fn build(&self, nodes: &[u32]) -> Named {
        let members = Members::named(nodes.iter().map(|node| name(*node))).expect("valid");
        Named {
            map: self.0.build(&members).expect("valid"),
            nodes: nodes.to_vec(),
        }
    }

    fn update(&self, before: Named, nodes: &[u32], came: Option<u32>, went: Option<u32>) -> Named {
        let members = before.map.members();
        let members = match (came, went) {
            (Some(node), _) => members.with(Node::try_new(name(node), 1).expect("valid")),
            (_, Some(node)) => members.without(&name(node)),
            (None, None) => Ok(members.clone()),
        };
        let map = self.0.rebalance(&before.map, &members.expect("valid"));
        Named {
            map: map.expect("valid"),
            nodes: nodes.to_vec(),
        }
    }

    #[inline]
    fn owner(map: &Named, key: &'static str) -> u32 {
        u32::try_from(map.map.owner_id(key).index()).unwrap_or(u32::MAX)
    }

    fn node(map: &Named, owner: u32) -> u32 {
        map.nodes[owner as usize]
    }

    #[inline]
    fn three(map: &Named, key: &'static str) -> Option<[u32; 3]> {
        let mut replicas = map.map.replicas(key).ids();
        let mut next = || u32::try_from(replicas.next()?.index()).ok();
        Some([next()?, next()?, next()?])
    }
}

pub(crate) struct ConsistentHash;

impl Peer for ConsistentHash {
    type Map = consistent_hash::StaticHashRing<'static, u32, (), consistent_hash::DefaultHash>;

    fn build(&self, nodes: &[u32]) -> Self::Map {
        let node = |node: &u32| consistent_hash::Node::new(*node).quantity(usize::from(POINTS));
        consistent_hash::StaticHashRing::new(consistent_hash::DefaultHash, nodes.iter().map(node))
    }

    fn update(&self, _: Self::Map, nodes: &[u32], _: Option<u32>, _: Option<u32>) -> Self::Map {
        self.build(nodes)
    }

    fn owner(map: &Self::Map, key: &'static str) -> u32 {
        map.calc_candidates(&key).next().expect("a node").key
    }

    fn three(map: &Self::Map, key: &'static str) -> Option<[u32; 3]> {
        let mut candidates = map.calc_candidates(&key);
        let mut next = || candidates.next().map(|node| node.key);
        Some([next()?, next()?, next()?])
    }
}

pub(crate) struct HashRing;

impl Peer for HashRing {
    type Map = hashring::HashRing<(u32, u16)>;

    fn build(&self, nodes: &[u32]) -> Self::Map {
        let mut ring = hashring::HashRing::new();
        let points = |node: &u32| (0..POINTS).map(|point| (*node, point)).collect::<Vec<_>>();
        ring.batch_add(nodes.iter().flat_map(points).collect());
        ring
    }

    fn update(
        &self,
        mut ring: Self::Map,
        _: &[u32],
        came: Option<u32>,
        went: Option<u32>,
    ) -> Self::Map {
        if let Some(node) = came {
            ring.batch_add((0..POINTS).map(|point| (node, point)).collect());
        }
        for point in 0..POINTS {
            if let Some(node) = went {
                ring.remove(&(node, point));
            }
        }
        ring
    }

    fn owner(map: &Self::Map, key: &'static str) -> u32 {
        map.get(&key).expect("a node").0
    }

    fn three(map: &Self::Map, key: &'static str) -> Option<[u32; 3]> {
        let found = map.get_with_replicas(&key, 2)?;
        Some([found.first()?.0, found.get(1)?.0, found.get(2)?.0])
    }
}

pub(crate) struct Ketama;

impl Ketama {
    fn number(address: SocketAddr) -> u32 {
        match address.ip() {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(_) => u32::MAX,
        }
    }
}

impl Peer for Ketama {
    type Map = pingora_ketama::Continuum;

    fn build(&self, nodes: &[u32]) -> Self::Map {
        let bucket = |node: &u32| {
            let address = SocketAddr::new(Ipv4Addr::from_bits(*node).into(), 80);
            pingora_ketama::Bucket::new(address, 1)
        };
        let buckets: Vec<_> = nodes.iter().map(bucket).collect();
        pingora_ketama::Continuum::new(&buckets)
    }

    fn update(&self, _: Self::Map, nodes: &[u32], _: Option<u32>, _: Option<u32>) -> Self::Map {
        self.build(nodes)
    }

    fn owner(map: &Self::Map, key: &'static str) -> u32 {
        Self::number(map.node(key.as_bytes()).expect("a node"))
    }

    fn three(map: &Self::Map, key: &'static str) -> Option<[u32; 3]> {
        let mut found = [u32::MAX; 3];
        let mut count = 0;
        for address in map.node_iter(key.as_bytes()) {
            let node = Self::number(*address);
            if !found[..count].contains(&node) {
                found[count] = node;
                count += 1;
            }
            if count == found.len() {
                return Some(found);
            }
        }
        None
    }
}

/// With the least size of its table, or none for the crate's default.
pub(crate) struct Maglev(pub Option<usize>);

impl Peer for Maglev {
    type Map = maglev_hash::MaglevTable<u32>;

    fn build(&self, nodes: &[u32]) -> Self::Map {
        match self.0 {
            None => maglev_hash::MaglevTable::new(nodes.to_vec()),
            Some(size) => maglev_hash::MaglevTable::with_capacity(nodes.to_vec(), size),
        }
    }

    fn update(&self, _: Self::Map, nodes: &[u32], _: Option<u32>, _: Option<u32>) -> Self::Map {
        self.build(nodes)
    }

    fn owner(map: &Self::Map, key: &'static str) -> u32 {
        *map.get(&key).expect("a node")
    }

    fn three(map: &Self::Map, key: &'static str) -> Option<[u32; 3]> {
        let found = map.get_top_k(&key, 3);
        Some([**found.first()?, **found.get(1)?, **found.get(2)?])
    }
}

pub(crate) struct Anchor;

type Fixed = BuildHasherDefault<DefaultHasher>;

/// Its type names the type of the keys, lifetime and all; ours live until the end.
impl Peer for Anchor {
    type Map = anchorhash::AnchorHash<&'static str, u32, Fixed>;

    fn build(&self, nodes: &[u32]) -> Self::Map {
        let room = u16::try_from(nodes.len() * 2).expect("at most 10,000 nodes");
        anchorhash::Builder::with_hasher(Fixed::default())
            .with_resources(nodes.iter().copied())
            .build(room)
    }

    fn update(
        &self,
        mut map: Self::Map,
        _: &[u32],
        came: Option<u32>,
        went: Option<u32>,
    ) -> Self::Map {
        if let Some(node) = came {
            map.add_resource(node).expect("room");
        }
        if let Some(node) = went {
            map.remove_resource(&node).expect("it is there");
        }
        map
    }

    fn owner(map: &Self::Map, key: &'static str) -> u32 {
        *map.get_resource(key).expect("a node")
    }
}

pub(crate) struct Jump;

impl Peer for Jump {
    type Map = (jumphash::JumpHasher, u32);

    const LAST_ONLY: bool = true;

    fn build(&self, nodes: &[u32]) -> Self::Map {
        let count = u32::try_from(nodes.len()).expect("at most 10,000 nodes");
        (jumphash::JumpHasher::new_with_keys(1, 2), count)
    }

    fn update(&self, _: Self::Map, nodes: &[u32], _: Option<u32>, _: Option<u32>) -> Self::Map {
        self.build(nodes)
    }

    fn owner(map: &Self::Map, key: &'static str) -> u32 {
        map.0.slot(&key, map.1)
    }
}
