//! Tar archives in the ustar format whose bytes depend on nothing but their entries: no clock, no user, no order of a
//! directory. Entries are written in the order given; both archives of this crate give them sorted.

use std::io::{self, Write};

const BLOCK: usize = 512;

/// One entry of an archive.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Relative path, without a trailing `/`: at most 100 bytes, or 255 where it can be cut at a `/`.
    pub path: &'a str,
    /// What it is.
    pub content: Content<'a>,
    /// Permission bits.
    pub mode: u32,
    /// Numeric id of both user and group.
    pub owner: u32,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A regular file with this content.
    File(&'a [u8]),
    /// A directory.
    Directory,
}

impl<'a> Entry<'a> {
    /// A regular file of root.
    #[must_use]
    pub fn file(path: &'a str, mode: u32, content: &'a [u8]) -> Self {
        Self {
            path,
            content: Content::File(content),
            mode,
            owner: 0,
        }
    }

    /// A directory of root.
    #[must_use]
    pub fn directory(path: &'a str, mode: u32) -> Self {
        Self {
            path,
            content: Content::Directory,
            mode,
            owner: 0,
        }
    }

    /// The same entry with another owner.
    #[must_use]
    pub fn owned_by(mut self, id: u32) -> Self {
        self.owner = id;
        self
    }

    fn data(&self) -> &'a [u8] {
        match self.content {
            Content::File(data) => data,
            Content::Directory => &[],
        }
    }
}

/// Number of bytes that [`write()`] writes for `entries`.
#[must_use]
pub fn size(entries: &[Entry<'_>]) -> u64 {
    let blocks: usize = entries
        .iter()
        .map(|entry| 1 + entry.data().len().div_ceil(BLOCK))
        .sum();
    ((blocks + 2) * BLOCK) as u64
}

/// Writes a whole archive.
///
/// # Errors
/// What `to` returns; [`io::ErrorKind::InvalidInput`] if a path or a size does not fit the format.
pub fn write(entries: &[Entry<'_>], to: &mut impl Write) -> io::Result<()> {
    for entry in entries {
        let data = entry.data();
        to.write_all(&header(entry)?)?;
        to.write_all(data)?;
        to.write_all(&[0; BLOCK][..padding(data.len())])?;
    }
    to.write_all(&[0; 2 * BLOCK])
}

fn padding(size: usize) -> usize {
    size.next_multiple_of(BLOCK) - size
}

fn header(entry: &Entry<'_>) -> io::Result<[u8; BLOCK]> {
    let (path, kind) = match entry.content {
        Content::File(_) => (entry.path.to_owned(), b'0'),
        Content::Directory => (format!("{}/", entry.path), b'5'),
    };
    let (prefix, name) = split(&path).ok_or_else(|| invalid(&path, "its path is too long"))?;
    let mut header = [0; BLOCK];
    put(&mut header, 0, name.as_bytes());
    octal(&mut header[100..108], u64::from(entry.mode));
    octal(&mut header[108..116], u64::from(entry.owner));
    octal(&mut header[116..124], u64::from(entry.owner));
    let size = entry.data().len() as u64;
    if size >= 1 << 33 {
        return Err(invalid(&path, "it is larger than 8 GiB"));
    }
    octal(&mut header[124..136], size);
    octal(&mut header[136..148], 0);
    header[156] = kind;
    put(&mut header, 257, b"ustar\x0000");
    octal(&mut header[329..337], 0);
    octal(&mut header[337..345], 0);
    put(&mut header, 345, prefix.as_bytes());
    // The checksum counts its own field as spaces.
    put(&mut header, 148, b"        ");
    let sum = header.iter().map(|&byte| u64::from(byte)).sum();
    octal(&mut header[148..155], sum);
    Ok(header)
}

/// Prefix and name as the header stores them.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= 100 {
        return Some(("", path));
    }
    path.char_indices()
        .filter(|&(at, c)| c == '/' && at <= 155 && at + 1 < path.len())
        .map(|(at, _)| (&path[..at], &path[at + 1..]))
        .find(|(_, name)| name.len() <= 100)
}

fn put(header: &mut [u8], at: usize, bytes: &[u8]) {
    header[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Octal digits, as many as fit, and a NUL.
fn octal(field: &mut [u8], value: u64) {
    let width = field.len() - 1;
    put(field, 0, format!("{value:0width$o}\0").as_bytes());
}

fn invalid(path: &str, why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("`{path}` cannot be stored in an archive: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        write(entries, &mut out).unwrap();
        out
    }

    #[test]
    fn stated_size_is_the_written_size() {
        for len in [0, 1, 511, 512, 513] {
            let data = vec![7; len];
            let entries = [
                Entry::directory("d", 0o755),
                Entry::file("d/f", 0o644, &data),
            ];
            assert_eq!(size(&entries), bytes(&entries).len() as u64, "{len}");
        }
    }

    #[test]
    fn long_path_is_cut_at_a_slash() {
        let path = format!("{}/{}", "a".repeat(120), "b".repeat(90));
        assert_eq!(split(&path), Some((&path[..120], &path[121..])));
    }

    #[test]
    fn path_that_fits_no_header_is_an_error() {
        let path = "a".repeat(101);
        let error = write(&[Entry::file(&path, 0o644, b"")], &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
    }
}
