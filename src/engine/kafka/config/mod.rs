//! Settings of brokers, topics, producers and consumers: Kafka's keys in snake case, Kafka's
//! defaults (spec rows of 1.1, 2.1, 3.1, 4.1; Apache Kafka 4.1.1), and Kafka's own checks.

mod cluster;
mod consumer;
mod producer;
mod settings;
mod topic;

pub use cluster::ClusterConfig;
pub use consumer::{Assignors, AutoOffsetReset, ConsumerConfig, GroupProtocol};
pub use producer::{Acks, ProducerConfig};
pub use settings::{
    Built, ConfigException, ConfigNote, ConfigProblem, Domain, Key, Line, Names, Setting, Settings, Value,
    nearest,
};
pub use topic::TopicConfig;
