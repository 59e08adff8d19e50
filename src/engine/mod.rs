//! The engine: a deterministic Kafka. Pure by construction (see the code map in `lib.rs`).

pub mod application;
pub mod check;
pub mod explore;
pub mod futures;
pub mod kafka;
pub mod ledger;
pub mod measure;
pub mod meter;
pub mod notice;
pub mod observe;
pub mod player;
pub mod program;
pub mod run;
pub mod script;
pub mod sim;
pub mod wire;
pub mod world;
