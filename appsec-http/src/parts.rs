//! The parts of a document as they arrive, looked at one after the other.

use bytes::Bytes;

/// How much of a part is copied to the end of the one before, when a value begins in the one and ends in the other. Most elements are
/// shorter; a longer one is collected piece by piece.
pub(crate) const SEAM: usize = 16 << 10;

/// What has arrived and was not taken.
#[derive(Default)]
pub(crate) struct Parts {
    /// What is being looked at, and how much of it is done.
    present: Bytes,
    done: usize,
    /// Bytes of the document before the present part.
    before: u64,
    /// The part whose beginning was copied to the end of the present one, and where it stands there.
    next: Option<(usize, Bytes)>,
}

impl Parts {
    /// Takes the next part. What is left of the one before is continued by its beginning.
    pub(crate) fn feed(&mut self, part: Bytes) {
        let left = self.take_all();
        if left.is_empty() {
            self.present = part;
            return;
        }
        let seam = part.len().min(SEAM);
        self.present = [&left, &part[..seam]].concat().into();
        if seam < part.len() {
            self.next = Some((left.len(), part));
        }
    }

    fn take_all(&mut self) -> Bytes {
        self.turn();
        self.before += self.done as u64;
        let present = std::mem::take(&mut self.present).slice(self.done..);
        let done = std::mem::take(&mut self.done);
        match self.next.take() {
            None => present,
            Some((seam, next)) => [&present[..seam - done], &next].concat().into(),
        }
    }

    /// Goes on to the next part once all before it is done; false where there is none, or it is too early.
    pub(crate) fn turn(&mut self) -> bool {
        let Some((seam, next)) = self.next.take_if(|(seam, _)| self.done >= *seam) else { return false };
        self.present = next;
        self.done -= seam;
        self.before += seam as u64;
        true
    }

    /// What is left of the present part.
    pub(crate) fn left(&self) -> &[u8] {
        &self.present[self.done..]
    }

    pub(crate) fn skip(&mut self, length: usize) {
        self.done += length;
    }

    /// The beginning of what is left, without a copy.
    pub(crate) fn take(&mut self, length: usize) -> Bytes {
        let begin = self.done;
        self.done += length;
        self.present.slice(begin..self.done)
    }

    /// How many bytes of the document are done.
    pub(crate) fn offset(&self) -> u64 {
        self.before + self.done as u64
    }

    /// How many have arrived.
    pub(crate) fn arrived(&self) -> u64 {
        let next = self.next.as_ref().map_or(self.present.len(), |(seam, next)| seam + next.len());
        self.before + next as u64
    }
}
