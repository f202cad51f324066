//! One map for many readers, replaced while they read.

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, Cache};

use crate::ShardMap;

/// The map of now, for any number of threads: readers never wait, and each works on the map that it has got until it asks
/// again. A clone is the same place.
///
/// # Examples
/// ```
/// use metaparticle_shard::{Layout, Members, Shared};
///
/// let layout = Layout::default();
/// let shared = Shared::new(layout.build(&Members::named(["users-0"])?)?);
/// let mut reader = shared.reader(); // one a thread or task
/// assert_eq!(reader.map().owner("alice").name(), "users-0");
///
/// let next = layout.rebalance(&shared.load(), &Members::named(["users-1"])?)?;
/// shared.replace(next);
/// assert_eq!(reader.map().owner("alice").name(), "users-1");
/// # Ok::<(), metaparticle_shard::Error>(())
/// ```
#[derive(Clone)]
pub struct Shared(Arc<ArcSwap<ShardMap>>);

impl Shared {
    /// A place with this map.
    #[must_use]
    pub fn new(map: ShardMap) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(map)))
    }

    /// The map of now, to keep. A request reads it once, and stays with it to its end.
    #[must_use]
    pub fn load(&self) -> Arc<ShardMap> {
        self.0.load_full()
    }

    /// Puts `next` in the place of the map of now. Who has loaded that one goes on with it.
    pub fn replace(&self, next: impl Into<Arc<ShardMap>>) {
        self.0.store(next.into());
    }

    /// A reader of one's own: it looks whether the map was replaced, and counts no references unless it was.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader(Cache::new(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Shared")
            .field(&self.0.load())
            .finish()
    }
}

/// Reads a [`Shared`] map at the price of one load. Keeps the map that it saw last alive.
#[derive(Clone)]
pub struct Reader(Cache<Arc<ArcSwap<ShardMap>>, Arc<ShardMap>>);

impl Reader {
    /// The map of now.
    #[inline]
    pub fn map(&mut self) -> &ShardMap {
        self.0.load()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reader").finish_non_exhaustive()
    }
}
