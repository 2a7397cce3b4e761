#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod binding;
mod completeness;
mod empty;
mod explain;
mod fold;
mod gate;
mod importer;
mod judge;
mod outbox;
#[cfg(feature = "push")]
mod push;
mod reconcile;
#[cfg(feature = "report")]
mod report;
#[cfg(feature = "schedule")]
mod schedule;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
mod store;
mod summary;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "webhook")]
mod webhook;
mod write_back;

pub use binding::{Binding, Environment, ScanConfiguration};
pub use completeness::Completeness;
pub use empty::EmptyReason;
pub use explain::{DecisionEntry, Explanation, HistoryEntry};
pub use gate::{Breach, Counts, Gate, GateCounts, GateOutcome, GateScope, GateVerdict, Thresholds};
pub use importer::{Import, ImportOptions, Importer};
pub use judge::{Change, Decision, State};
pub use outbox::{
    BindingRef, ConnectionFailed, Event, EventBatcher, EventData, EventKind, FindingRef, FindingsChanged,
    MAX_FINDINGS_PER_EVENT, MemoryOutbox, Message, MessageId, MessageState, Outbox, RunEnded, RunRef,
    Subscription, messages_of,
};
#[cfg(feature = "push")]
pub use push::{
    Absent, CodeScanning, DefectDojo, DojoTest, GitHub, Invicti, InvictiForm, InvictiScan, InvictiWriter,
    PushCounts, PushOptions, Pushed, ReportFile,
};
pub use reconcile::{KnownFinding, Reconciliation, Transition, reconcile};
#[cfg(feature = "report")]
pub use report::{
    Format, GitLabVersion, OcsfClass, ReportFinding, ReportOptions, ReportWriter, Written, finding_schema,
};
#[cfg(feature = "worker")]
pub use schedule::{Connections, Worker, WorkerOptions};
#[cfg(feature = "schedule")]
pub use schedule::{RunKind, Schedule, ScheduleChanges, ScheduleEntry, ScheduleState, ScheduledBinding};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use sql::SqlStore;
pub use store::{Claim, EndedRun, FindingNumber, Page, Run, ScheduledRun, Store, StoredFinding};
pub use summary::{KeptOpen, Summary};
#[cfg(feature = "webhook")]
pub use webhook::{Delivered, Delivery, Dispatcher, Endpoint, RetrySchedule};
pub use write_back::{StateChange, StatusMapping, WriteBackOutcome, WrittenBack, write_back};
