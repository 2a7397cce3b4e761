//! The records that were read so far, so that each finding is delivered once.

use std::collections::HashMap;

use appsec_http::RecordKey;

/// The records read so far, in this pass over the list and in earlier ones.
#[derive(Debug, Default)]
pub(super) struct SeenRecords {
    records: HashMap<RecordKey, SeenRecord>,
    /// The number of the current page.
    page: u32,
    /// The first page of the current pass. The list is read again when it moves.
    first_page: u32,
}

#[derive(Debug, Clone, Copy)]
struct SeenRecord {
    /// The number of the page that held it last.
    page: u32,
    /// The status with which its finding was delivered. A record that was unreadable or filtered out may
    /// still be delivered later.
    delivered: Option<Delivered>,
}

/// How a finding was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivered {
    /// With a status other than fixed.
    Unfixed,
    /// As fixed. If the record is read again and is not fixed, it is delivered again, since then the open
    /// status counts.
    Fixed,
}

/// Which records of a page were read before, in the current pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repeats {
    /// All of them, and there is at least one.
    pub(super) all: bool,
    /// One that has an id. It is in two places of the list, so another record may have moved from after the
    /// position to before it.
    pub(super) any_with_id: bool,
}

impl SeenRecords {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns the number of the current page.
    pub(super) fn page(&self) -> u32 {
        self.page
    }

    /// Begins the next page.
    pub(super) fn next_page(&mut self) {
        self.page += 1;
    }

    /// Begins another pass over the list.
    pub(super) fn start_over(&mut self) {
        self.first_page = self.page + 1;
    }

    /// Compares the records of the current page with the earlier pages of the current pass.
    pub(super) fn repeats(&self, keys: &[RecordKey]) -> Repeats {
        let this_pass = self.first_page..self.page;
        let repeated =
            |key: &&RecordKey| self.records.get(*key).is_some_and(|record| this_pass.contains(&record.page));
        Repeats {
            all: !keys.is_empty() && keys.iter().all(|key| repeated(&key)),
            any_with_id: keys.iter().filter(repeated).any(RecordKey::is_id),
        }
    }

    /// Returns how the finding of a record was delivered.
    pub(super) fn delivered(&self, key: &RecordKey) -> Option<Delivered> {
        self.records.get(key)?.delivered
    }

    /// Adds a record of the current page.
    pub(super) fn insert(&mut self, key: RecordKey, delivered: Option<Delivered>) {
        self.records.insert(key, SeenRecord { page: self.page, delivered });
    }
}
