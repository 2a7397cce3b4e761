//! Operations that take several calls, and waiting for what the service does in the background.

mod apply;
mod launch;
mod wait;

pub use launch::{Launch, OnRunning};
pub use wait::WaitOptions;

pub(crate) use wait::Wait;
