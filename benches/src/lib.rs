//! Measures the cost of the clients: a server on loopback with prepared bodies, and each client in a
//! process of its own. The program prints tables and asserts nothing. See the README.
// The plugin in `data` is one long literal.
#![recursion_limit = "256"]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "measurements for display, far below the limits"
)]

pub mod client;
pub mod data;
pub mod resources;
pub mod server;
pub mod table;
