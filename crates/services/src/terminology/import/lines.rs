//! Numbers of lines, by where they lie in a file: the CSV reader's own are wrong after CRLF and after empty lines.

use std::io::{self, Read};

/// Bytes of the longest file that is read. A longer one is refused: cut off, it would pass for a whole one.
const BYTES_MAX: u64 = 1 << 30;

/// A file that passes through and has its lines counted.
pub(super) struct Lines<R> {
    file: R,
    /// Bytes that have passed.
    passed: u64,
    /// Where each line ends.
    ends: Vec<u64>,
}

impl<R> Lines<R> {
    pub(super) fn of(file: R) -> Self {
        Self { file, passed: 0, ends: Vec::new() }
    }

    /// The number, from 1, of the line at `byte`; when nothing but the end of one lies there, of the next that is not
    /// empty.
    pub(super) fn line_at(&self, byte: u64) -> u64 {
        let (mut line, mut begin) = (self.ends.partition_point(|end| *end < byte), byte);
        // An empty line is its end, with CR before it or without. No row is as short.
        while let Some(end) = self.ends.get(line).filter(|end| **end <= begin + 1) {
            begin = end + 1;
            line += 1;
        }
        line as u64 + 1
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let ends = (self.passed..).zip(&buffer[..count]).filter(|(_, byte)| **byte == b'\n');
        self.ends.extend(ends.map(|(at, _)| at));
        self.passed += count as u64;
        if self.passed > BYTES_MAX {
            return Err(io::Error::other("it is longer than 1 GiB"));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_long_is_refused_and_not_cut_off() {
        let read = |bytes| io::copy(&mut Lines::of(io::repeat(b'x').take(bytes)), &mut io::sink());
        assert_eq!(read(BYTES_MAX).ok(), Some(BYTES_MAX));
        assert!(read(BYTES_MAX + 1).is_err());
    }
}
