//! The engine: a deterministic Kafka. Pure by construction (see the code map in `lib.rs`).

pub mod kafka;
pub mod ledger;
pub mod script;
pub mod sim;
