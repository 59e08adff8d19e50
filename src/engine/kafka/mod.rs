//! Kafka: one concept per file. Actors are state machines that receive an event with the current
//! time and act only through [`out::Out`]; they never touch one another.

pub mod client_metadata;
pub mod config;
pub mod controller;
pub mod error;
pub mod event;
pub mod group;
pub mod message;
pub mod metadata;
pub mod network;
pub mod network_client;
pub mod offsets;
pub mod out;
pub mod producer;
pub mod record;
pub mod record_accumulator;
pub mod sender;
#[cfg(test)]
mod testing;
pub mod transaction_manager;
pub mod transaction_state;
pub mod types;
