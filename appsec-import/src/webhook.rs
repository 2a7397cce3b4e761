//! Webhooks: delivers the messages of the outbox to endpoints, signed as Standard Webhooks specifies.

mod delivery_options;
mod dispatcher;
mod endpoint;
mod retry_schedule;

pub use delivery_options::DeliveryOptions;
pub use dispatcher::{DeliveryCounts, Dispatcher};
pub use endpoint::Endpoint;
pub use retry_schedule::RetrySchedule;
