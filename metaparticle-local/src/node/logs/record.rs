//! Records of a log: `<time> <F|P> <text>`, as container runtimes write them. `P`: the line goes on in the next record.

use jiff::Timestamp;

/// The longest text of one record; longer lines are split, so that a program that prints none cannot fill the memory.
const LONGEST: usize = 16 * 1024;

/// Makes records of what a program prints.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
}

impl Splitter {
    /// The records of the lines that `bytes` completes.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Timestamp) -> Vec<u8> {
        let mut records = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Some(line) = part.strip_suffix(b"\n") {
                self.add(line, now, &mut records);
                write(b'F', &self.rest, now, &mut records);
                self.rest.clear();
            } else {
                self.add(part, now, &mut records);
            }
        }
        records
    }

    /// The record of a last line that has no end.
    pub(crate) fn finish(&mut self, now: Timestamp) -> Vec<u8> {
        let mut records = Vec::new();
        if !self.rest.is_empty() {
            write(b'P', &self.rest, now, &mut records);
            self.rest.clear();
        }
        records
    }

    fn add(&mut self, mut part: &[u8], now: Timestamp, records: &mut Vec<u8>) {
        while self.rest.len() + part.len() > LONGEST {
            let (fits, more) = part.split_at(LONGEST - self.rest.len());
            self.rest.extend_from_slice(fits);
            write(b'P', &self.rest, now, records);
            self.rest.clear();
            part = more;
        }
        self.rest.extend_from_slice(part);
    }
}

fn write(tag: u8, text: &[u8], now: Timestamp, records: &mut Vec<u8>) {
    let time = now.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string();
    records.extend_from_slice(time.as_bytes());
    records.extend_from_slice(&[b' ', tag, b' ']);
    records.extend_from_slice(text);
    records.push(b'\n');
}

/// A record, without the end of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) time: &'a str,
    /// Whether the line ends here.
    pub(super) whole: bool,
    pub(super) text: &'a [u8],
}

impl<'a> Record<'a> {
    /// `None` if this is no record.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let space = line.iter().position(|byte| *byte == b' ')?;
        let (time, rest) = line.split_at(space);
        let (tag, text) = rest.split_at_checked(3)?;
        Some(Self {
            time: std::str::from_utf8(time).ok()?,
            whole: tag == b" F ",
            text,
        })
    }

    /// Whether it was written at `since` or later.
    pub(super) fn is_since(&self, since: Timestamp) -> bool {
        self.time.parse().is_ok_and(|time: Timestamp| time >= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05.5Z".parse().unwrap()
    }

    fn texts(records: &[u8]) -> Vec<(bool, String)> {
        let lines = records.split_inclusive(|byte| *byte == b'\n');
        lines
            .map(|line| {
                let record = Record::parse(line.strip_suffix(b"\n").unwrap()).unwrap();
                assert_eq!(record.time, "2026-01-02T03:04:05.500000000Z");
                let text = String::from_utf8(record.text.to_vec()).unwrap();
                (record.whole, text)
            })
            .collect()
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push(b"one", now()), b"");
        let records = splitter.push(b" line\n\nan", now());
        assert_eq!(
            texts(&records),
            [(true, "one line".into()), (true, String::new())]
        );
        assert_eq!(texts(&splitter.finish(now())), [(false, "an".into())]);
        assert_eq!(splitter.finish(now()), b"");
    }

    #[test]
    fn a_long_line_becomes_several_records_of_one_line() {
        let mut splitter = Splitter::default();
        let mut line = "x".repeat(LONGEST * 2 + 1);
        line.push('\n');
        let records = texts(&splitter.push(line.as_bytes(), now()));
        let lengths: Vec<_> = records
            .iter()
            .map(|(whole, text)| (*whole, text.len()))
            .collect();
        assert_eq!(lengths, [(false, LONGEST), (false, LONGEST), (true, 1)]);
    }

    #[test]
    fn a_record_knows_whether_it_is_old() {
        let mut splitter = Splitter::default();
        let records = splitter.push(b"a\n", now());
        let record = Record::parse(&records).unwrap();
        assert!(record.is_since(now()));
        assert!(!record.is_since(now() + jiff::SignedDuration::from_millis(1)));
    }
}
