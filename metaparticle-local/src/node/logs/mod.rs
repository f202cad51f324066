//! What containers print: kept by lines with their times, bounded, in files without a name.
//!
//! A file without a name ends with this process, however that ends, and no request can lead to another one.

mod read;
mod record;

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

pub(crate) use self::{
    read::{Selection, stream},
    record::Splitter,
};

/// How much of one container is kept, in two files: 10 MiB, as the kubelet's.
const SEGMENT: u64 = 5 * 1024 * 1024;
const SEGMENTS: usize = 2;

/// What one run of a container printed.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    segments: Mutex<VecDeque<Segment>>,
    extent: watch::Sender<Extent>,
}

#[derive(Debug)]
struct Segment {
    file: Arc<File>,
    /// Where it starts, counted from the beginning of the log.
    start: u64,
}

/// How far a log goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Extent {
    end: u64,
    finished: bool,
}

impl Log {
    /// An empty log, in a file of `folder` that loses its name at once.
    pub(crate) fn create(folder: &Path) -> io::Result<Self> {
        let first = Segment {
            file: Arc::new(nameless_file(folder)?),
            start: 0,
        };
        Ok(Self(Arc::new(Inner {
            segments: Mutex::new(VecDeque::from([first])),
            extent: watch::Sender::default(),
        })))
    }

    /// Adds whole records. Writes to the page cache, in the caller's thread.
    pub(crate) fn append(&self, records: &[u8], folder: &Path) -> io::Result<()> {
        self.append_bounded(records, folder, SEGMENT)
    }

    fn append_bounded(&self, records: &[u8], folder: &Path, most: u64) -> io::Result<()> {
        let mut segments = self.segments();
        let end = self.0.extent.borrow().end;
        let last = segments.back().expect("there is always one");
        let mut file = last.file.clone();
        if end - last.start >= most {
            file = Arc::new(nameless_file(folder)?);
            segments.push_back(Segment {
                file: file.clone(),
                start: end,
            });
            if segments.len() > SEGMENTS {
                segments.pop_front();
            }
        }
        // Where the log ends, and not the file, which may have a part of what was written in vain.
        let start = segments.back().map_or(0, |it| it.start);
        file.write_all_at(records, end - start)?;
        let more = u64::try_from(records.len()).unwrap_or_default();
        self.0.extent.send_modify(|extent| extent.end += more);
        drop(segments); // before the extent, another writer would take a wrong one for its start
        Ok(())
    }

    /// Says that nothing more comes.
    pub(crate) fn finish(&self) {
        self.0.extent.send_modify(|extent| extent.finished = true);
    }

    /// What stands at `position` or, where that is not kept any more, at the first position after it; and where that
    /// ends. Nothing at the end of the log.
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<(usize, u64)> {
        let end = self.0.extent.borrow().end;
        let segments = self.segments();
        let position = position.max(segments.front().map_or(0, |it| it.start));
        let Some(index) = segments.iter().rposition(|it| it.start <= position) else {
            return Ok((0, position));
        };
        let segment_end = segments.get(index + 1).map_or(end, |next| next.start);
        let (file, start) = (segments[index].file.clone(), segments[index].start);
        drop(segments);
        let left = usize::try_from(segment_end.saturating_sub(position)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let got = file.read_at(&mut buffer[..most], position - start)?;
        Ok((got, position + u64::try_from(got).unwrap_or_default()))
    }

    fn segments(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        self.0
            .segments
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new file that nobody else can open.
fn nameless_file(folder: &Path) -> io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("log-{}-{number}", process::id()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(log: &Log, mut position: u64) -> String {
        let mut text = Vec::new();
        loop {
            let mut buffer = [0; 7];
            let (got, next) = log.read_at(position, &mut buffer).unwrap();
            if got == 0 {
                return String::from_utf8(text).unwrap();
            }
            text.extend_from_slice(&buffer[..got]);
            position = next;
        }
    }

    #[test]
    fn only_the_latest_two_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::create(folder.path()).unwrap();
        for text in ["one\n", "two\n", "three\n", "four\n", "five\n"] {
            log.append_bounded(text.as_bytes(), folder.path(), 8)
                .unwrap();
        }
        assert_eq!(all(&log, 0), "three\nfour\nfive\n");
        assert_eq!(all(&log, 14), "four\nfive\n");
        assert_eq!(all(&log, 1_000), "");
    }

    #[test]
    fn what_was_written_in_part_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::create(folder.path()).unwrap();
        log.append(b"one\n", folder.path()).unwrap();
        let file = log.segments().back().unwrap().file.clone();
        file.write_all_at(b"tw", 4).unwrap();
        log.append(b"three\n", folder.path()).unwrap();
        log.append(b"four\n", folder.path()).unwrap();
        assert_eq!(all(&log, 0), "one\nthree\nfour\n");
    }

    #[test]
    fn no_file_is_left_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::create(folder.path()).unwrap();
        log.append(b"text\n", folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(all(&log, 0), "text\n");
    }
}
