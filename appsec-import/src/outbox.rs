//! Messages to other systems.
//!
//! They wait in the same database as the findings that they are about, and are written in the same
//! transaction, so that neither exists without the other.

mod batcher;
mod event;
mod event_text;
mod memory;
mod message;
mod outbox_trait;
mod references;
mod subscription;

pub use batcher::EventBatcher;
pub use event::{
    ConnectionFailed, Event, EventData, EventKind, FindingsChanged, ImportFailed, MAX_FINDINGS_PER_EVENT,
    RunEnded,
};
pub use memory::MemoryOutbox;
pub use message::{Message, MessageId, MessageState, messages_for};
pub use outbox_trait::Outbox;
pub use references::{BindingRef, FindingRef, RunRef};
pub use subscription::Subscription;
