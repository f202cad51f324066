//! The map on its way: the store of this harness keeps Leases, and the map is the annotation of one that nobody holds.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use metaparticle_protocol::{
    Lease, Reply, Request, Sight,
    lease::{Draft, When, key},
    shard::{Map, api},
};

/// The name of the object.
pub const MAP: &str = "the-map";
/// The annotation that bears the packed map.
const DATA: &str = "map";

/// What is asked, as the store understands it.
#[must_use]
pub fn request(request: &api::Request) -> Request {
    let name = MAP.into();
    match request {
        api::Request::Head | api::Request::Get => Request::Get { name },
        api::Request::Create { data, .. } => Request::Create {
            name,
            draft: draft(data),
        },
        api::Request::Update {
            uid, version, data, ..
        } => Request::Update {
            name,
            uid: uid.clone(),
            version: *version,
            draft: draft(data),
        },
        api::Request::Delete { uid, version } => Request::Delete {
            name,
            uid: uid.clone(),
            version: Some(*version),
        },
    }
}

/// What came of it; of metadata alone if that was asked for.
#[must_use]
pub fn reply(is_head: bool, reply: Reply) -> api::Reply {
    match reply {
        Reply::Is(lease) if is_head => api::Reply::Head(lease.uid, lease.version),
        Reply::Is(lease) => api::Reply::Is(stored(lease)),
        Reply::Deleted => api::Reply::Deleted,
        Reply::Absent => api::Reply::Absent,
        Reply::Conflict | Reply::Exists => api::Reply::Conflict,
        Reply::Busy { after } => api::Reply::Busy { after },
        Reply::Refused(why) => api::Reply::Refused(why),
        Reply::Unknown | Reply::Gone | Reply::List(..) => api::Reply::Unknown,
    }
}

/// What a watch of it tells.
#[must_use]
pub fn sight(sight: Sight) -> api::Sight {
    match sight {
        Sight::Listed(leases, version) => {
            api::Sight::Listed(leases.into_iter().next().map(stored), version)
        }
        Sight::Added(lease) | Sight::Modified(lease) => api::Sight::Is(stored(lease)),
        Sight::Deleted(lease) => api::Sight::Deleted(lease.uid, lease.version),
        Sight::Lost => api::Sight::Lost,
    }
}

/// The map that is stored, if it is one.
#[must_use]
pub fn map(lease: &Lease) -> Option<Map> {
    Map::unpack(&bytes(lease)).ok()
}

/// By hand: what is stored becomes this.
pub fn put(lease: &mut Lease, bytes: &[u8]) {
    lease.annotations.insert(DATA, text(bytes));
}

/// The packed map that is stored.
#[must_use]
pub fn bytes(lease: &Lease) -> Vec<u8> {
    let text = lease.annotations.get(DATA).map_or("", |text| text);
    let bytes = text.chars().map(|char| u8::try_from(char).unwrap_or(0));
    bytes.collect()
}

fn stored(lease: Lease) -> api::Stored {
    api::Stored {
        data: bytes(&lease).into(),
        uid: lease.uid,
        version: lease.version,
    }
}

fn text(bytes: &[u8]) -> Arc<str> {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    text.into()
}

fn draft(data: &[u8]) -> Draft {
    Draft {
        holder: None,
        duration: Duration::ZERO,
        acquired: When::Kept(None),
        renewed: When::Kept(None),
        transitions: 0,
        annotations: BTreeMap::from([(DATA, text(data))]),
        labels: BTreeMap::from([(key::ROLE, Arc::from("map"))]),
        owner: None,
    }
}
