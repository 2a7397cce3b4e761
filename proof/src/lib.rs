//! What the proofs share: services that break at a chosen request, one judge of how it ended, and a search for secrets.
//!
//! * [`Stage`]: a fake service with a known truth, behind a [`Gateway`] that does to answers what a [`Twist`] says.
//! * [`walk`] and [`import`]: one whole reading of the truth, within a bounded time.
//! * [`judge`](judge::judge): the three rules that no fault may break.
//! * [`secrets`]: markers that stand for secrets, and the record of everything that was logged.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod dice;
mod gateway;
pub mod judge;
pub mod secrets;
mod stage;
mod twist;
mod walk;

pub use dice::Dice;
pub use gateway::{Gateway, When};
pub use stage::{Short, Stage, Vendor};
pub use twist::{Reply, Twist};
pub use walk::{BOUND, Imported, Seen, import, walk, walk_query};
