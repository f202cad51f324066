//! The nodes of a map: names and weights.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Error;

/// What may have slots: a stable name, and a weight.
///
/// Whoever comes back under its name gets back into its place. Addresses change; they are looked up by [`NodeId`] in a
/// table of one's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "StoredNode", into = "StoredNode")]
pub struct Node {
    name: Arc<str>,
    weight: u32,
}

impl Node {
    /// A node that gets slots in proportion to `weight`, from 0 (none: it is to be emptied) to `u32::MAX`.
    ///
    /// # Errors
    /// [`Error::Name`] unless the name has 1 to 253 bytes, which is what Kubernetes allows.
    pub fn try_new(name: impl Into<Arc<str>>, weight: u32) -> Result<Self, Error> {
        let name = name.into();
        if name.is_empty() || name.len() > Members::MAX_NAME {
            return Err(Error::Name(name.len()));
        }
        Ok(Self { name, weight })
    }

    /// Its name.
    #[inline]
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its part of all slots, beside the weights of the others.
    #[must_use]
    pub const fn weight(&self) -> u32 {
        self.weight
    }
}

/// The number of a node within one map, dense from 0 in the order of names. Another map numbers its nodes anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u16);

impl NodeId {
    /// From 0 to the number of nodes - 1.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The nodes that share the slots, ordered by name: from 1 to 10,000, no two of one name, at least one with a weight
/// above zero. A clone is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    nodes: Arc<[Node]>,
    /// How many have a weight above zero.
    weighty: usize,
    /// Of all weights.
    sum: u64,
}

impl Members {
    /// The most nodes that a map can have.
    pub const MAX: usize = 10_000;
    /// The longest name of a node, in bytes.
    pub const MAX_NAME: usize = 253;

    /// These nodes, in any order.
    ///
    /// # Errors
    /// [`Error::NoNodes`], [`Error::TooManyNodes`], [`Error::Duplicate`], [`Error::NoWeight`].
    pub fn try_new(nodes: impl IntoIterator<Item = Node>) -> Result<Self, Error> {
        let mut nodes: Vec<Node> = nodes.into_iter().collect();
        if nodes.is_empty() {
            return Err(Error::NoNodes);
        }
        if nodes.len() > Self::MAX {
            return Err(Error::TooManyNodes(nodes.len()));
        }
        nodes.sort_unstable_by(|left, right| left.name.cmp(&right.name));
        if let Some(pair) = nodes.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(Error::Duplicate(pair[0].name().to_owned()));
        }
        let weighty = nodes.iter().filter(|node| node.weight > 0).count();
        if weighty == 0 {
            return Err(Error::NoWeight);
        }
        let sum = nodes.iter().map(|node| u64::from(node.weight)).sum();
        Ok(Self {
            nodes: nodes.into(),
            weighty,
            sum,
        })
    }

    /// Nodes of these names, all of weight 1.
    ///
    /// # Errors
    /// Those of [`Node::try_new`] and [`Members::try_new`].
    pub fn named<N: Into<Arc<str>>>(names: impl IntoIterator<Item = N>) -> Result<Self, Error> {
        let nodes: Result<Vec<_>, _> = names
            .into_iter()
            .map(|name| Node::try_new(name, 1))
            .collect();
        Self::try_new(nodes?)
    }

    /// These and `node`, which replaces the one of its name.
    ///
    /// # Errors
    /// Those of [`Members::try_new`].
    pub fn with(&self, node: Node) -> Result<Self, Error> {
        let mut nodes = self.nodes.to_vec();
        nodes.retain(|other| other.name != node.name);
        nodes.push(node);
        Self::try_new(nodes)
    }

    /// These without the one of the name, if it is there.
    ///
    /// # Errors
    /// Those of [`Members::try_new`]: somebody must be left.
    pub fn without(&self, name: &str) -> Result<Self, Error> {
        Self::try_new(self.iter().filter(|node| node.name() != name).cloned())
    }

    /// In the order of names; the place of each is the index of its [`NodeId`].
    pub fn iter(&self) -> std::slice::Iter<'_, Node> {
        self.nodes.iter()
    }

    /// How many.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The number of the node of this name.
    #[expect(clippy::cast_possible_truncation, reason = "at most 10,000 nodes")]
    #[must_use]
    pub fn id(&self, name: &str) -> Option<NodeId> {
        let place = self.nodes.binary_search_by(|node| node.name().cmp(name));
        place.ok().map(|place| NodeId(place as u16))
    }

    #[inline]
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How many may have slots.
    pub(crate) const fn weighty(&self) -> usize {
        self.weighty
    }

    /// The sum of all weights, above zero.
    pub(crate) const fn sum(&self) -> u64 {
        self.sum
    }

    /// For each of `self` its number among `after`. Both are ordered, so one walk over both finds all.
    #[expect(clippy::cast_possible_truncation, reason = "at most 10,000 nodes")]
    pub(crate) fn renumbered(&self, after: &Self) -> Vec<Option<u16>> {
        if Arc::ptr_eq(&self.nodes, &after.nodes) {
            return (0..self.len()).map(|id| Some(id as u16)).collect();
        }
        let mut later = after.iter().enumerate().peekable();
        let number = |node: &Node| {
            while later.next_if(|(_, other)| other.name < node.name).is_some() {}
            let same = later.next_if(|(_, other)| other.name == node.name);
            same.map(|(id, _)| id as u16)
        };
        self.iter().map(number).collect()
    }
}

impl<'a> IntoIterator for &'a Members {
    type Item = &'a Node;
    type IntoIter = std::slice::Iter<'a, Node>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// As it stands in a file, before it is believed.
#[derive(Serialize, Deserialize)]
struct StoredNode {
    name: String,
    weight: u32,
}

impl TryFrom<StoredNode> for Node {
    type Error = Error;

    fn try_from(stored: StoredNode) -> Result<Self, Error> {
        Self::try_new(stored.name, stored.weight)
    }
}

impl From<Node> for StoredNode {
    fn from(node: Node) -> Self {
        Self {
            name: node.name().to_owned(),
            weight: node.weight,
        }
    }
}
