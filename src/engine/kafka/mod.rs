//! Kafka: one concept per file. Actors are state machines that receive an event with the current
//! time and act only through [`out::Out`]; they never touch one another.

pub mod add_partitions_manager;
pub mod alter_partition_manager;
pub mod assignor;
pub mod broker;
pub mod broker_lifecycle;
pub mod client_metadata;
pub mod config;
pub mod consumer;
pub mod consumer_commits;
pub mod consumer_coordinator;
pub mod controller;
pub mod defect;
pub mod delayed_fetch;
pub mod delayed_produce;
pub mod error;
pub mod event;
pub mod fetch_collector;
pub mod fetcher;
pub mod group;
pub mod group_coordinator;
mod group_rebalance;
#[cfg(test)]
mod group_tests;
pub mod leader_epochs;
pub mod message;
pub mod metadata;
pub mod network;
pub mod network_client;
pub mod offsets;
pub mod out;
pub mod partition;
pub mod partition_change;
pub mod partition_log;
pub mod partitioner;
pub mod producer;
pub mod producer_id_manager;
#[cfg(test)]
mod producer_lab;
pub mod producer_state;
pub mod record;
pub mod record_accumulator;
pub mod replica_fetcher;
pub mod replica_manager;
pub mod sender;
#[cfg(test)]
mod sender_tests;
pub mod subscription_state;
#[cfg(test)]
mod testing;
pub mod transaction_coordinator;
pub mod transaction_manager;
pub mod transaction_markers;
pub mod transaction_state;
#[cfg(test)]
mod transaction_state_tests;
#[cfg(test)]
mod transaction_tests;
pub mod transactional_request;
pub mod txn_partition_map;
pub mod types;
pub mod write_txn_markers;
