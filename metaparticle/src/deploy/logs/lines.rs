//! [`Lines`]: a stream of bytes as lines, whatever is in them.

use std::io;

use futures::{AsyncBufRead, AsyncBufReadExt as _};

/// A line longer than this comes in several pieces, so that memory stays bounded.
pub(super) const LONGEST: usize = 1024 * 1024;

/// A line, or a piece of a long one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The bytes, without the line feed.
    pub(super) bytes: Vec<u8>,
    /// Whether it begins a line.
    pub(super) first: bool,
    /// Whether a line feed followed it.
    pub(super) complete: bool,
}

/// A stream of bytes as lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    piece: Vec<u8>,
    first: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            piece: Vec::new(),
            first: true,
        }
    }

    /// The next line or piece; the last may lack its line feed.
    ///
    /// # Cancel safety
    /// Cancel safe: what was read is kept.
    pub(super) async fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            let bytes = self.reader.fill_buf().await?;
            if bytes.is_empty() {
                let ends = self.piece.is_empty();
                return Ok((!ends).then(|| self.piece(false)));
            }
            let room = LONGEST - self.piece.len();
            let end = bytes.iter().take(room).position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(bytes.len().min(room));
            self.piece.extend_from_slice(&bytes[..taken]);
            self.reader
                .consume_unpin(taken + usize::from(end.is_some()));
            if end.is_some() || self.piece.len() == LONGEST {
                return Ok(Some(self.piece(end.is_some())));
            }
        }
    }

    fn piece(&mut self, complete: bool) -> Piece {
        let first = std::mem::replace(&mut self.first, complete);
        Piece {
            bytes: std::mem::take(&mut self.piece),
            first,
            complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::io::BufReader;

    use super::*;

    async fn pieces(bytes: &[u8]) -> Vec<Piece> {
        let mut lines = Lines::new(BufReader::with_capacity(7, bytes));
        let mut pieces = Vec::new();
        while let Some(piece) = lines.next().await.unwrap() {
            pieces.push(piece);
        }
        pieces
    }

    fn line(bytes: &[u8]) -> Piece {
        Piece {
            bytes: bytes.to_vec(),
            first: true,
            complete: true,
        }
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_pass_unharmed() {
        assert_eq!(
            pieces(b"a\xff\x00b\n\n\r\n").await,
            [line(b"a\xff\x00b"), line(b""), line(b"\r")]
        );
    }

    #[tokio::test]
    async fn a_line_longer_than_the_buffer_is_one_line() {
        let long = vec![b'x'; 100_000];
        assert_eq!(pieces(&[&long[..], b"\n"].concat()).await, [line(&long)]);
    }

    #[tokio::test]
    async fn a_last_line_without_line_feed_is_not_lost() {
        let last = Piece {
            complete: false,
            ..line(b"b")
        };
        assert_eq!(pieces(b"a\nb").await, [line(b"a"), last]);
    }

    #[tokio::test]
    async fn an_endless_line_comes_in_bounded_pieces() {
        let pieces = pieces(&[&vec![b'x'; 2 * LONGEST + 3][..], b"\ny\n"].concat()).await;
        let lens: Vec<_> = pieces.iter().map(|piece| piece.bytes.len()).collect();
        assert_eq!(lens, [LONGEST, LONGEST, 3, 1]);
        let first: Vec<_> = pieces.iter().map(|piece| piece.first).collect();
        assert_eq!(first, [true, false, false, true]);
    }
}
