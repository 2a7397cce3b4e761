//! The chunks of a document, in the order in which they arrive.

use bytes::Bytes;

/// The number of bytes of a chunk that are copied to the end of the one before, if a value crosses the
/// border. Most elements are shorter; a longer one is collected piece by piece.
pub(crate) const OVERLAP: usize = 16 << 10;

/// The bytes that have arrived and were not consumed.
#[derive(Default)]
pub(crate) struct Chunks {
    /// The current chunk, and how much of it is consumed.
    present: Bytes,
    done: usize,
    /// The number of bytes of the document before the current chunk.
    before: u64,
    /// The chunk whose beginning was copied to the end of the current one, and the position of the copy.
    next: Option<(usize, Bytes)>,
}

impl Chunks {
    /// Takes the next chunk. The rest of the one before is joined with its beginning.
    pub(crate) fn feed(&mut self, part: Bytes) {
        let left = self.take_all();
        if left.is_empty() {
            self.present = part;
            return;
        }
        let overlap = part.len().min(OVERLAP);
        self.present = [&left, &part[..overlap]].concat().into();
        if overlap < part.len() {
            self.next = Some((left.len(), part));
        }
    }

    fn take_all(&mut self) -> Bytes {
        self.advance();
        self.before += self.done as u64;
        let present = std::mem::take(&mut self.present).slice(self.done..);
        let done = std::mem::take(&mut self.done);
        match self.next.take() {
            None => present,
            Some((overlap, next)) => [&present[..overlap - done], &next].concat().into(),
        }
    }

    /// Moves to the next chunk once everything before it is consumed. Returns false if there is none or it
    /// is too early.
    pub(crate) fn advance(&mut self) -> bool {
        let Some((overlap, next)) = self.next.take_if(|(overlap, _)| self.done >= *overlap) else {
            return false;
        };
        self.present = next;
        self.done -= overlap;
        self.before += overlap as u64;
        true
    }

    /// The rest of the current chunk.
    pub(crate) fn left(&self) -> &[u8] {
        &self.present[self.done..]
    }

    pub(crate) fn skip(&mut self, length: usize) {
        self.done += length;
    }

    /// Consumes the beginning of the rest, without a copy.
    pub(crate) fn take(&mut self, length: usize) -> Bytes {
        let begin = self.done;
        self.done += length;
        self.present.slice(begin..self.done)
    }

    /// The number of bytes consumed.
    pub(crate) fn offset(&self) -> u64 {
        self.before + self.done as u64
    }

    /// The number of bytes that have arrived.
    pub(crate) fn arrived(&self) -> u64 {
        let next = self.next.as_ref().map_or(self.present.len(), |(overlap, next)| overlap + next.len());
        self.before + next as u64
    }
}
