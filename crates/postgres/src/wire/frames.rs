//! Splits the byte stream of one direction of PostgreSQL's protocol into messages.

/// Tag used here for the first message of the client, which has none on the wire.
pub(super) const STARTUP: u8 = 0;

/// Parser state of one direction.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; 5],
    /// Number of header bytes received. Begins at 1 for the first message of a client, which has no tag.
    header_len: usize,
    /// Number of body bytes that are still to come.
    missing: usize,
    tag: Option<u8>,
    body: Vec<u8>,
}

impl Frames {
    /// Creates the state for the direction from the server.
    pub(super) fn from_server() -> Self {
        Self { header: [0; 5], header_len: 0, missing: 0, tag: None, body: Vec::new() }
    }

    /// Creates the state for the direction to the server, whose first message has no tag.
    pub(super) fn to_server() -> Self {
        Self { header_len: 1, header: [STARTUP, 0, 0, 0, 0], ..Self::from_server() }
    }

    /// Processes `bytes` and calls `message` with the tag and the body of each complete message. The body is cut to
    /// `limit` bytes for its tag.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        limit: fn(u8) -> usize,
        mut message: impl FnMut(u8, &[u8]),
    ) {
        while !bytes.is_empty() {
            if let Some((tag, body, rest)) = self.whole(bytes) {
                message(tag, &body[..body.len().min(limit(tag))]);
                bytes = rest;
                continue;
            }
            bytes = match self.tag {
                None => self.take_header(bytes),
                Some(tag) => self.take_body(bytes, limit(tag)),
            };
            if let (Some(tag), 0) = (self.tag, self.missing) {
                message(tag, &self.body);
                self.tag = None;
                self.body.clear();
            }
        }
    }

    /// Returns the next message without copying if all of it is in `bytes`, which is the usual case.
    fn whole<'a>(&self, bytes: &'a [u8]) -> Option<(u8, &'a [u8], &'a [u8])> {
        if self.tag.is_some() || self.header_len != 0 {
            return None;
        }
        let (&[tag, ref length @ ..], after) = bytes.split_first_chunk::<5>()?;
        let (body, rest) = after.split_at_checked(body_length(*length))?;
        Some((tag, body, rest))
    }

    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let wanted = (self.header.len() - self.header_len).min(bytes.len());
        let (taken, rest) = bytes.split_at(wanted);
        self.header[self.header_len..self.header_len + wanted].copy_from_slice(taken);
        self.header_len += wanted;
        if self.header_len == self.header.len() {
            let [tag, length @ ..] = self.header;
            self.missing = body_length(length);
            self.tag = Some(tag);
            self.header_len = 0;
        }
        rest
    }

    fn take_body<'a>(&mut self, bytes: &'a [u8], limit: usize) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(self.missing.min(bytes.len()));
        let room = limit.saturating_sub(self.body.len());
        self.body.extend_from_slice(&taken[..taken.len().min(room)]);
        self.missing -= taken.len();
        rest
    }
}

/// Returns the length of the body; the length on the wire includes itself. Other libraries report invalid lengths.
fn body_length(length: [u8; 4]) -> usize {
    (u32::from_be_bytes(length) as usize).saturating_sub(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 4).to_be_bytes();
        [&[tag], &length[..], body].concat()
    }

    fn limit(tag: u8) -> usize {
        if tag == b'D' { 0 } else { 1_000 }
    }

    fn read(frames: &mut Frames, chunks: &[&[u8]]) -> Vec<(u8, Vec<u8>)> {
        let mut seen = Vec::new();
        for chunk in chunks {
            frames.feed(chunk, limit, |tag, body| seen.push((tag, body.to_vec())));
        }
        seen
    }

    #[test]
    fn first_client_message_has_no_tag() {
        let startup = [&8_u32.to_be_bytes()[..], &[0, 3, 0, 0]].concat();
        let bytes = [startup, framed(b'S', b"")].concat();
        let seen = read(&mut Frames::to_server(), &[&bytes]);
        assert_eq!(seen, [(STARTUP, vec![0, 3, 0, 0]), (b'S', vec![])]);
    }

    #[test]
    fn cuts_huge_errors() {
        let bytes = [framed(b'E', &[b'x'; 100_000]), framed(b'Z', b"I")].concat();
        let seen = read(&mut Frames::from_server(), &[&bytes]);
        assert_eq!(seen[0].1.len(), limit(b'E'));
        assert_eq!(seen[1], (b'Z', b"I".to_vec()));
    }

    proptest! {
        #[test]
        fn chunking_does_not_change_messages(
            messages in prop::collection::vec((prop::sample::select(b"ZCEDT12".to_vec()), prop::collection::vec(any::<u8>(), 0..50)), 0..20),
            cuts in prop::collection::vec(1_usize..9, 1..50),
        ) {
            let bytes: Vec<u8> = messages.iter().flat_map(|(tag, body)| framed(*tag, body)).collect();
            let mut chunks = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            let expected: Vec<(u8, Vec<u8>)> =
                messages.into_iter().map(|(tag, body)| (tag, if tag == b'D' { vec![] } else { body })).collect();
            prop_assert_eq!(read(&mut Frames::from_server(), &chunks), expected);
        }
    }
}
