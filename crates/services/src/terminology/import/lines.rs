//! Line numbers by byte offset. Those of the CSV reader are wrong after CRLF and after empty lines.

use std::io::{self, Read};

/// Maximum size of a file. Longer files are rejected, because a truncated file could be mistaken for a complete one.
const BYTES_MAX: u64 = 1 << 30;

/// A reader that records the ends of lines.
pub(super) struct Lines<R> {
    file: R,
    /// Number of bytes read.
    passed: u64,
    /// Byte offset of the end of each line.
    ends: Vec<u64>,
}

impl<R> Lines<R> {
    pub(super) fn of(file: R) -> Self {
        Self { file, passed: 0, ends: Vec::new() }
    }

    /// Returns the number, from 1, of the line at offset `byte`. If it is an empty line, returns the number of the next
    /// line that is not empty.
    pub(super) fn line_at(&self, byte: u64) -> u64 {
        let (mut line, mut begin) = (self.ends.partition_point(|end| *end < byte), byte);
        // An empty line has at most a CR before its end. Rows are longer.
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
            return Err(io::Error::other("the file is longer than 1 GiB"));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_oversized_files() {
        let read = |bytes| io::copy(&mut Lines::of(io::repeat(b'x').take(bytes)), &mut io::sink());
        assert_eq!(read(BYTES_MAX).ok(), Some(BYTES_MAX));
        assert!(read(BYTES_MAX + 1).is_err());
    }
}
