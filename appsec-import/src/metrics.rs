//! Metrics by the `metrics` facade; without that feature, nothing. The README lists their names and labels.

#[cfg(feature = "worker")]
mod schedule;
mod transitions;

#[cfg(feature = "worker")]
pub(crate) use schedule::{record_scheduled_run, record_store};
pub(crate) use transitions::TransitionCounter;
