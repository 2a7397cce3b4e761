//! Webhooks: the outbox's messages, signed by Standard Webhooks and posted to endpoints.

mod dispatcher;
mod endpoint;
mod retry;

pub use dispatcher::{Delivered, Delivery, Dispatcher};
pub use endpoint::Endpoint;
pub use retry::RetrySchedule;
