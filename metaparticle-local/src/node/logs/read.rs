//! Reading a log: which lines, and how long.

use std::{collections::VecDeque, io};

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use jiff::Timestamp;

use super::{Log, record::Record};

/// How much is read at a time.
const CHUNK: usize = 32 * 1024;

/// What of a log is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Go on until the container ends.
    pub(crate) follow: bool,
    /// Only so many lines from the end of what is there.
    pub(crate) tail: Option<u64>,
    /// Only what was written then or later.
    pub(crate) since: Option<Timestamp>,
    /// Only so many bytes.
    pub(crate) limit: Option<u64>,
    /// With the time before each line.
    pub(crate) timestamps: bool,
}

/// The lines that are wanted.
pub(crate) fn stream(log: Log, selection: Selection) -> BoxStream<'static, Bytes> {
    let reader = Reader {
        position: None,
        left: selection.limit,
        partial: Vec::new(),
        within_line: false,
        log,
        selection,
    };
    futures::stream::unfold(reader, |mut reader| async {
        let bytes = reader.next().await?;
        Some((bytes, reader))
    })
    .filter(|bytes| std::future::ready(!bytes.is_empty()))
    .boxed()
}

struct Reader {
    log: Log,
    selection: Selection,
    /// Where to go on; not known before the first read.
    position: Option<u64>,
    /// The beginning of a record whose end was not read yet.
    partial: Vec<u8>,
    /// Whether the previous record had no end of its line.
    within_line: bool,
    left: Option<u64>,
}

impl Reader {
    /// The next lines, maybe none; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.left == Some(0) {
            return None;
        }
        let mut changes = self.log.0.extent.subscribe();
        let position = match self.position {
            Some(position) => position,
            None => self.start().ok()?,
        };
        let mut buffer = vec![0; CHUNK];
        loop {
            let extent = *changes.borrow_and_update();
            let (got, next) = self.log.read_at(position, &mut buffer).ok()?;
            if got > 0 {
                self.position = Some(next);
                return Some(self.select(&buffer[..got]));
            }
            if extent.finished || !self.selection.follow {
                return None;
            }
            changes.changed().await.ok()?;
        }
    }

    /// Where the last lines begin.
    fn start(&self) -> io::Result<u64> {
        let Some(tail) = self.selection.tail else {
            return Ok(0);
        };
        let tail = usize::try_from(tail).unwrap_or(usize::MAX);
        let mut buffer = vec![0; CHUNK];
        let mut starts = VecDeque::new();
        let (mut position, mut at_start) = (0, true);
        loop {
            let (got, next) = self.log.read_at(position, &mut buffer)?;
            if got == 0 {
                break;
            }
            let from = next - u64::try_from(got).unwrap_or_default();
            for (at, byte) in (from..).zip(&buffer[..got]) {
                if at_start {
                    starts.push_back(at);
                    if starts.len() > tail {
                        starts.pop_front();
                    }
                }
                at_start = *byte == b'\n';
            }
            position = next;
        }
        Ok(starts.front().copied().unwrap_or(position))
    }

    /// What is wanted of more bytes of the log.
    fn select(&mut self, bytes: &[u8]) -> Bytes {
        self.partial.extend_from_slice(bytes);
        let records = std::mem::take(&mut self.partial);
        let mut lines = Vec::with_capacity(records.len());
        for line in records.split_inclusive(|byte| *byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else {
                self.partial = line.to_vec();
                break;
            };
            if let Some(record) = Record::parse(line) {
                self.write(record, &mut lines);
            }
        }
        if let Some(left) = &mut self.left {
            lines.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= u64::try_from(lines.len()).unwrap_or_default();
        }
        lines.into()
    }

    fn write(&mut self, record: Record<'_>, lines: &mut Vec<u8>) {
        if self.selection.since.is_some_and(|it| !record.is_since(it)) {
            return;
        }
        if self.selection.timestamps && !self.within_line {
            lines.extend_from_slice(record.time.as_bytes());
            lines.push(b' ');
        }
        lines.extend_from_slice(record.text);
        if record.whole {
            lines.push(b'\n');
        }
        self.within_line = !record.whole;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::node::logs::Splitter;

    struct Fixture {
        folder: tempfile::TempDir,
        log: Log,
        splitter: Splitter,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let log = Log::create(folder.path()).unwrap();
            let splitter = Splitter::default();
            Self {
                folder,
                log,
                splitter,
            }
        }

        fn print(&mut self, text: &str, second: i64) {
            let time = Timestamp::from_second(second).unwrap();
            let records = self.splitter.push(text.as_bytes(), time);
            self.log.append(&records, self.folder.path()).unwrap();
        }

        async fn read(&self, selection: Selection) -> String {
            let chunks: Vec<Bytes> = stream(self.log.clone(), selection).collect().await;
            String::from_utf8(chunks.concat()).unwrap()
        }
    }

    fn three_lines() -> Fixture {
        let mut fixture = Fixture::new();
        fixture.print("one\n", 1);
        fixture.print("two\n", 2);
        fixture.print("three\n", 3);
        fixture
    }

    #[tokio::test]
    async fn everything_is_read_without_the_times() {
        let log = three_lines();
        assert_eq!(log.read(Selection::default()).await, "one\ntwo\nthree\n");
    }

    #[tokio::test]
    async fn the_tail_is_the_last_lines() {
        let log = three_lines();
        let tail = |tail| Selection {
            tail: Some(tail),
            ..Selection::default()
        };
        assert_eq!(log.read(tail(2)).await, "two\nthree\n");
        assert_eq!(log.read(tail(0)).await, "");
        assert_eq!(log.read(tail(9)).await, "one\ntwo\nthree\n");
    }

    #[tokio::test]
    async fn older_lines_are_left_out() {
        let since = Some(Timestamp::from_second(2).unwrap());
        let selection = Selection {
            since,
            ..Selection::default()
        };
        assert_eq!(three_lines().read(selection).await, "two\nthree\n");
    }

    #[tokio::test]
    async fn bytes_are_limited() {
        let selection = Selection {
            limit: Some(5),
            ..Selection::default()
        };
        assert_eq!(three_lines().read(selection).await, "one\nt");
    }

    #[tokio::test]
    async fn times_stand_before_lines_and_once_before_a_long_one() {
        let mut log = Fixture::new();
        log.print(&format!("{}\n", "x".repeat(40_000)), 1);
        let selection = Selection {
            timestamps: true,
            ..Selection::default()
        };
        let text = log.read(selection).await;
        assert!(text.starts_with("1970-01-01T00:00:01.000000000Z xxx"));
        assert_eq!(
            (text.len(), text.matches('Z').count()),
            (31 + 40_000 + 1, 1)
        );
    }

    #[tokio::test]
    async fn following_goes_on_until_the_container_ends() {
        let mut log = three_lines();
        let selection = Selection {
            follow: true,
            tail: Some(1),
            ..Selection::default()
        };
        let mut lines = stream(log.log.clone(), selection);
        assert_eq!(lines.next().await.unwrap(), "three\n");
        assert!(lines.next().now_or_never().is_none());
        log.print("four\n", 4);
        assert_eq!(lines.next().await.unwrap(), "four\n");
        log.log.finish();
        assert_eq!(lines.next().await, None);
    }
}
