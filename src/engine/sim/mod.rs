//! The discrete-event kernel: time, event queue, keyed randomness, choice points and trace.
//!
//! Invariant: nothing here knows of Kafka.

pub mod arena;
pub mod choice;
pub mod hash;
pub mod queue;
pub mod random;
pub mod search;
pub mod time;
pub mod trace;
