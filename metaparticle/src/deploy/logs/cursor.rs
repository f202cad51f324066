//! [`Cursor`]: where in a pod's log one is, so that a stream that broke goes on without losing or repeating a line. Pure.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// The kubelet finds a place in a log only by time, to the second; lines of that second come again and are passed over.
///
/// # Assumptions
/// A log is read in the order in which it was written, and its times do not decrease by more than a second: runtimes
/// stamp stdout and stderr apart, so neighbours may be out of order by microseconds.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// The latest time of a line that was taken.
    last: Option<Timestamp>,
    /// Lines taken by second, from [`Cursor::since`] on.
    taken: BTreeMap<i64, usize>,
    /// Lines that may come again after a resume.
    again: usize,
    /// Nothing later than this comes again.
    horizon: Option<Timestamp>,
}

impl Cursor {
    /// From when on to ask for lines; `None` for all.
    pub(super) fn since(&self) -> Option<Timestamp> {
        let last = Timestamp::from_second(self.last?.as_second()).ok()?;
        last.checked_sub(SignedDuration::from_secs(1)).ok()
    }

    /// The log is read again from [`Cursor::since`].
    pub(super) fn resume(&mut self) {
        self.again = self.taken.values().sum();
        self.horizon = self.last;
    }

    /// Whether a line of this time is new. Counts it as taken if so.
    pub(super) fn take(&mut self, time: Timestamp) -> bool {
        if self.horizon.is_some_and(|horizon| time <= horizon) && self.again > 0 {
            self.again -= 1;
            return false;
        }
        self.last = self.last.max(Some(time));
        *self.taken.entry(time.as_second()).or_default() += 1;
        if let Some(since) = self.since() {
            self.taken = self.taken.split_off(&since.as_second());
        }
        true
    }
}

/// Splits a line into the time that the kubelet put before it and the program's own bytes. Lines that the kubelet itself
/// has to say carry no time.
pub(super) fn split_time(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let space = line.iter().take(40).position(|byte| *byte == b' ');
    let time = space.and_then(|end| std::str::from_utf8(&line[..end]).ok()?.parse().ok());
    match (time, space) {
        (Some(time), Some(end)) => (Some(time), &line[end + 1..]),
        _ => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-01-01T00:00:{text}Z").parse().unwrap()
    }

    fn taken(cursor: &mut Cursor, times: &[&str]) -> Vec<bool> {
        times.iter().map(|time| cursor.take(at(time))).collect()
    }

    #[test]
    fn a_new_log_is_asked_for_as_a_whole() {
        assert_eq!(Cursor::default().since(), None);
    }

    #[test]
    fn a_log_is_resumed_a_second_before_the_last_whole_second() {
        let mut cursor = Cursor::default();
        cursor.take(at("10.7"));
        assert_eq!(cursor.since(), Some(at("09")));
    }

    #[test]
    fn lines_that_come_again_are_passed_over() {
        let mut cursor = Cursor::default();
        taken(&mut cursor, &["01", "09.5", "10.1", "10.2"]);
        cursor.resume();
        assert_eq!(
            taken(&mut cursor, &["09.5", "10.1", "10.2", "10.3"]),
            [false, false, false, true]
        );
    }

    #[test]
    fn a_line_of_the_same_time_as_the_last_is_not_lost() {
        let mut cursor = Cursor::default();
        taken(&mut cursor, &["10.1", "10.1"]);
        cursor.resume();
        assert_eq!(
            taken(&mut cursor, &["10.1", "10.1", "10.1"]),
            [false, false, true]
        );
    }

    #[test]
    fn lines_out_of_order_are_passed_over_once() {
        let mut cursor = Cursor::default();
        taken(&mut cursor, &["10.000002", "10.000001", "10.000003"]);
        cursor.resume();
        assert_eq!(
            taken(
                &mut cursor,
                &["10.000002", "10.000001", "10.000003", "10.000004"]
            ),
            [false, false, false, true]
        );
    }

    #[test]
    fn lines_after_a_rotation_are_not_taken_for_old_ones() {
        let mut cursor = Cursor::default();
        taken(&mut cursor, &["10.1", "10.2", "10.3"]);
        cursor.resume();
        // The file with the three lines is gone.
        assert_eq!(taken(&mut cursor, &["10.4", "10.5"]), [true, true]);
    }

    #[test]
    fn lines_of_the_next_instance_are_not_taken_for_old_ones() {
        let mut cursor = Cursor::default();
        taken(&mut cursor, &["10.1", "10.2"]);
        cursor.resume();
        assert_eq!(taken(&mut cursor, &["10.9"]), [true]);
        cursor.resume();
        assert_eq!(taken(&mut cursor, &["10.9", "11"]), [false, true]);
    }

    #[test]
    fn only_two_seconds_are_remembered() {
        let mut cursor = Cursor::default();
        for second in 1..50 {
            cursor.take(at(&format!("{second:02}")));
        }
        assert_eq!(cursor.taken.len(), 2);
    }

    #[test]
    fn time_and_line_are_split_at_the_first_space() {
        let (time, line) = split_time(b"2026-01-01T00:00:10.000000001Z a \xff b");
        assert_eq!(time, Some(at("10.000000001")));
        assert_eq!(line, b"a \xff b");
    }

    #[test]
    fn a_line_without_time_is_left_whole() {
        let line = b"unable to retrieve container logs";
        assert_eq!(split_time(line), (None, line.as_slice()));
    }
}
