//! The events that an endpoint wants.

use serde::{Deserialize, Serialize};

use super::event::EventKind;

/// The events that an endpoint wants.
///
/// This is all that is needed to write messages to the outbox: neither the URL nor the secret of the
/// endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Subscription {
    /// The name of the endpoint.
    pub endpoint: String,
    /// The kinds of events that it wants. Empty means all, including kinds that later versions add.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventKind>,
}

impl Subscription {
    /// All events, for the endpoint of this name.
    pub fn all_events(endpoint: impl Into<String>) -> Self {
        Self { endpoint: endpoint.into(), events: Vec::new() }
    }

    /// Limits the subscription to these kinds of events.
    pub fn with_events(mut self, events: impl IntoIterator<Item = EventKind>) -> Self {
        self.events = events.into_iter().collect();
        self
    }

    /// Whether the endpoint wants events of this kind.
    pub fn wants(&self, kind: EventKind) -> bool {
        self.events.is_empty() || self.events.contains(&kind)
    }
}
