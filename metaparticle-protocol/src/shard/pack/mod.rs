//! How a [`Map`] is packed into the one value of a ConfigMap's `binaryData` (rule M1).
//!
//! All numbers are big-endian. `"MPS"`, the format's version, the binary logarithm of the number of slots, the term's token
//! (8 bytes), the number of peers (2); each peer: pod, session, uid, address, each a length (1) and so many bytes, where
//! the uid's length is 0 if it is a UUID in its usual form, which takes 16 bytes; each slot: owner (2), target (2),
//! generation (8), token (8), where `0xffff` is nobody. 20 bytes a slot.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, sync::Arc};

use super::map::{MOST_SLOTS, Map, Peer, Place, Slot, SlotCount};
use crate::{Token, Uid, Version};

const MAGIC: &[u8; 3] = b"MPS";
/// The only version of the format so far.
const FORMAT: u8 = 1;
/// Nobody.
const NOBODY: u16 = u16::MAX;
/// Bytes of a slot.
const PLACE: usize = 20;
/// A ConfigMap holds a MiB of data; what is left is for hands that add to it.
pub const MOST_BYTES: usize = 1_000_000;

/// Why a map cannot be packed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackError {
    /// It would be larger than a ConfigMap may be.
    TooLarge {
        /// Bytes that it would take.
        bytes: usize,
    },
    /// More members than a map of so many slots may have (M1).
    TooManyPeers {
        /// How many it has.
        peers: usize,
        /// How many it may have.
        most: usize,
    },
    /// A name, uid or address longer than 255 bytes, or an empty name or uid.
    Text(Arc<str>),
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(
                    f,
                    "the map takes {bytes} bytes, and a ConfigMap {MOST_BYTES}"
                )
            }
            Self::TooManyPeers { peers, most } => {
                write!(
                    f,
                    "{peers} members, and a map of so many slots has at most {most}"
                )
            }
            Self::Text(text) => {
                write!(
                    f,
                    "names, uids and addresses have 1 to 255 bytes, unlike {text:?}"
                )
            }
        }
    }
}

impl std::error::Error for PackError {}

/// Why bytes are no map.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnpackError {
    /// They end too early.
    Short {
        /// Where more was expected.
        at: usize,
        /// So many bytes more.
        missing: usize,
    },
    /// They do not begin as a map does.
    Magic,
    /// A format that this version does not know.
    Format(u8),
    /// No number of slots.
    Slots(u8),
    /// More members than a map of so many slots may have (M1).
    TooManyPeers(u16),
    /// No text, or none where there must be one.
    Text {
        /// Where it begins.
        at: usize,
    },
    /// A uid that is written in a longer form than need be.
    LongUid {
        /// Where it begins.
        at: usize,
    },
    /// Two members with the same session.
    Twice(Uid),
    /// A slot names a member that is not there.
    NoPeer {
        /// The slot.
        slot: Slot,
        /// The member's number.
        peer: u16,
    },
    /// A slot moves from nobody, or to where it is.
    Move(Slot),
    /// Bytes after the last slot.
    Long {
        /// So many.
        extra: usize,
    },
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { at, missing } => {
                write!(f, "the map ends {missing} bytes too early, at byte {at}")
            }
            Self::Magic => f.write_str("no map begins so"),
            Self::Format(format) => {
                write!(f, "a map of format {format}, and only {FORMAT} is known")
            }
            Self::Slots(log) => write!(f, "2^{log} slots, and a map has at most {MOST_SLOTS}"),
            Self::TooManyPeers(peers) => {
                write!(f, "{peers} members are too many for so many slots")
            }
            Self::Text { at } => write!(f, "no name, uid or address at byte {at}"),
            Self::LongUid { at } => {
                write!(
                    f,
                    "the uid at byte {at} is written in a longer form than need be"
                )
            }
            Self::Twice(uid) => write!(f, "session {uid} is there twice"),
            Self::NoPeer { slot, peer } => {
                write!(f, "slot {slot} names member {peer}, who is not there")
            }
            Self::Move(slot) => write!(f, "slot {slot} moves from nobody, or to where it is"),
            Self::Long { extra } => write!(f, "{extra} bytes after the last slot"),
        }
    }
}

impl std::error::Error for UnpackError {}

impl UnpackError {
    /// Whether a later version of this library may have written it: then it is not ours to mend.
    #[must_use]
    pub const fn is_newer(&self) -> bool {
        matches!(self, Self::Format(format) if *format > FORMAT)
    }
}

impl Map {
    /// Packs it.
    ///
    /// # Errors
    /// If it is larger than a map may be, or a text in it is none.
    ///
    /// # Panics
    /// Never: the numbers of a map are small.
    pub fn pack(&self) -> Result<Vec<u8>, PackError> {
        let slots = self.slots();
        let most = slots.peers();
        if self.peers.len() > most {
            let peers = self.peers.len();
            return Err(PackError::TooManyPeers { peers, most });
        }
        let mut bytes = Vec::with_capacity(15 + 128 * self.peers.len() + PLACE * self.places.len());
        bytes.extend(MAGIC);
        bytes.push(FORMAT);
        bytes.push(u8::try_from(slots.number().ilog2()).expect("a logarithm is small"));
        bytes.extend(self.term.0.to_be_bytes());
        let peers = u16::try_from(self.peers.len()).expect("asked above");
        bytes.extend(peers.to_be_bytes());
        for peer in &self.peers {
            text(&mut bytes, &peer.pod, false)?;
            text(&mut bytes, peer.session.as_str(), false)?;
            match uuid(peer.uid.as_str()) {
                Some(uuid) => {
                    bytes.push(0);
                    bytes.extend(uuid.to_be_bytes());
                }
                None => text(&mut bytes, peer.uid.as_str(), false)?,
            }
            text(&mut bytes, &peer.address, true)?;
        }
        for place in &self.places {
            bytes.extend(place.owner.unwrap_or(NOBODY).to_be_bytes());
            bytes.extend(place.to.unwrap_or(NOBODY).to_be_bytes());
            bytes.extend(place.generation.0.to_be_bytes());
            bytes.extend(place.token.0.to_be_bytes());
        }
        if bytes.len() > MOST_BYTES {
            let bytes = bytes.len();
            return Err(PackError::TooLarge { bytes });
        }
        Ok(bytes)
    }

    /// Unpacks one. What it takes is exactly what [`pack`](Self::pack) gives.
    ///
    /// # Errors
    /// If it is none: where, and why.
    pub fn unpack(bytes: &[u8]) -> Result<Self, UnpackError> {
        let mut input = Input { bytes, at: 0 };
        if input.take::<3>()? != *MAGIC {
            return Err(UnpackError::Magic);
        }
        let [format, log] = input.take()?;
        if format != FORMAT {
            return Err(UnpackError::Format(format));
        }
        let slots = 1u32.checked_shl(u32::from(log));
        let slots = slots.and_then(|slots| SlotCount::try_new(slots).ok());
        let slots = slots.ok_or(UnpackError::Slots(log))?;
        let term = Token(u64::from_be_bytes(input.take()?));
        let count = u16::from_be_bytes(input.take()?);
        if usize::from(count) > slots.peers() {
            return Err(UnpackError::TooManyPeers(count));
        }
        let mut uids = BTreeSet::new();
        let mut peers = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let peer = input.peer()?;
            if !uids.insert(peer.uid.clone()) {
                return Err(UnpackError::Twice(peer.uid));
            }
            peers.push(peer);
        }
        let left = slots.number() as usize * PLACE;
        if input.left() < left {
            return Err(UnpackError::Short {
                at: bytes.len(),
                missing: left - input.left(),
            });
        }
        let mut places = Vec::with_capacity(slots.number() as usize);
        for slot in 0..slots.number() {
            places.push(input.place(Slot(slot), count)?);
        }
        match input.left() {
            0 => Ok(Self {
                term,
                peers,
                places,
            }),
            extra => Err(UnpackError::Long { extra }),
        }
    }
}

fn text(bytes: &mut Vec<u8>, text: &str, may_be_empty: bool) -> Result<(), PackError> {
    match u8::try_from(text.len()) {
        Ok(length) if length > 0 || may_be_empty => {
            bytes.push(length);
            bytes.extend(text.as_bytes());
            Ok(())
        }
        _ => Err(PackError::Text(text.into())),
    }
}

/// The number of a UUID in its usual form, and of nothing else.
fn uuid(text: &str) -> Option<u128> {
    if text.len() != 36 {
        return None;
    }
    let digits = text.replace('-', "");
    let number = u128::from_str_radix(&digits, 16).ok()?;
    (usual(number) == text).then_some(number)
}

fn usual(uuid: u128) -> String {
    let digits = format!("{uuid:032x}");
    [0..8, 8..12, 12..16, 16..20, 20..32]
        .map(|part| &digits[part])
        .join("-")
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    const fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], UnpackError> {
        if self.left() < length {
            return Err(UnpackError::Short {
                at: self.bytes.len(),
                missing: length - self.left(),
            });
        }
        let slice = &self.bytes[self.at..self.at + length];
        self.at += length;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], UnpackError> {
        let slice = self.slice(N)?;
        Ok(slice.try_into().expect("it has that length"))
    }

    fn text(&mut self, length: u8) -> Result<&'a str, UnpackError> {
        let at = self.at;
        let slice = self.slice(usize::from(length))?;
        str::from_utf8(slice).map_err(|_| UnpackError::Text { at })
    }

    /// Of at least one byte.
    fn name(&mut self) -> Result<&'a str, UnpackError> {
        match self.take::<1>()? {
            [0] => Err(UnpackError::Text { at: self.at }),
            [length] => self.text(length),
        }
    }

    fn peer(&mut self) -> Result<Peer, UnpackError> {
        let pod = self.name()?.into();
        let session = self.name()?.into();
        let uid = match self.take::<1>()? {
            [0] => usual(u128::from_be_bytes(self.take()?)).into(),
            [length] => {
                let at = self.at;
                let text = self.text(length)?;
                if uuid(text).is_some() {
                    return Err(UnpackError::LongUid { at });
                }
                Uid::from(text)
            }
        };
        let [length] = self.take()?;
        let address = self.text(length)?.into();
        Ok(Peer {
            pod,
            session,
            uid,
            address,
        })
    }

    fn place(&mut self, slot: Slot, peers: u16) -> Result<Place, UnpackError> {
        let mut peer = || match u16::from_be_bytes(self.take()?) {
            NOBODY => Ok(None),
            peer if peer < peers => Ok(Some(peer)),
            peer => Err(UnpackError::NoPeer { slot, peer }),
        };
        let (owner, to) = (peer()?, peer()?);
        if to.is_some() && (owner.is_none() || owner == to) {
            return Err(UnpackError::Move(slot));
        }
        Ok(Place {
            owner,
            to,
            generation: Version(u64::from_be_bytes(self.take()?)),
            token: Token(u64::from_be_bytes(self.take()?)),
        })
    }
}
