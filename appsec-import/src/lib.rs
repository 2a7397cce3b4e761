#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod empty;
mod explain;
mod fold;
mod importer;
mod judge;
mod line;
mod outbox;
mod reconcile;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
mod store;
mod summary;
#[cfg(feature = "webhook")]
mod webhook;
mod write_back;

pub use empty::EmptyReason;
pub use explain::{Explanation, Verdict};
pub use importer::{Import, ImportOptions, Importer};
pub use judge::{Change, Decision, State};
pub use line::{Environment, ImportLine, ScanConfiguration};
pub use outbox::{
    ConnectionFailed, Event, EventBatcher, EventData, EventKind, FindingNote, FindingsChanged, LineNote,
    MAX_FINDINGS_PER_EVENT, MemoryOutbox, Message, MessageId, MessageState, Outbox, RunEnded, RunNote,
    Subscription, messages_of,
};
pub use reconcile::{KnownFinding, Outcome, Reconciliation, reconcile};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use sql::SqlStore;
pub use store::{Claim, EndedRun, FindingNumber, Page, Run, Store, StoredFinding};
pub use summary::{KeptOpen, Summary};
#[cfg(feature = "webhook")]
pub use webhook::{Delivered, Delivery, Dispatcher, Endpoint, RetrySchedule};
pub use write_back::{Decided, StateChange, StatusMapping, WrittenBack, write_back};
