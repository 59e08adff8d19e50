//! Settings of brokers, topics, producers and consumers: Kafka's keys in snake case, Kafka's
//! defaults (kafka-semantics 1.1, 2.1, 3.1, 4.1; Apache Kafka 4.1.1).

use super::types::*;
use crate::engine::sim::time::Span;

/// `acks`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Acks {
    /// `0`: no answer is asked for.
    None,
    /// `1`: the leader has appended.
    Leader,
    /// `all`, `-1`: every member of the in-sync replica set has it.
    All,
}

/// Settings of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are Kafka's keys")]
pub struct ProducerConfig {
    pub acks: Acks,
    /// What is in force: Kafka turns it off silently for acks other than all or retries=0, unless
    /// it was set explicitly.
    pub enable_idempotence: bool,
    /// How often a batch is sent again, 0..=2147483647.
    pub retries: u32,
    pub max_in_flight_requests_per_connection: u32,
    pub linger: Span,
    /// Bytes; 0 and small values give one record a batch.
    pub batch_size: u32,
    pub buffer_memory: u64,
    pub max_block: Span,
    pub request_timeout: Span,
    pub delivery_timeout: Span,
    pub retry_backoff: Span,
    pub retry_backoff_max: Span,
    pub reconnect_backoff: Span,
    pub reconnect_backoff_max: Span,
    pub max_request_size: u32,
    pub metadata_max_age: Span,
    pub transactional_id: Option<TransactionalId>,
    pub transaction_timeout: Span,
}

/// `auto.offset.reset`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AutoOffsetReset {
    /// From the log start offset.
    Earliest,
    /// From the end (Kafka's default).
    Latest,
    /// An exception.
    None,
}

/// `group.protocol`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupProtocol {
    /// Join, sync, heartbeat.
    Classic,
    /// KIP-848.
    Consumer,
}

/// Settings of one consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are Kafka's keys")]
pub struct ConsumerConfig {
    pub group_id: Option<GroupId>,
    pub group_instance_id: Option<InstanceId>,
    pub group_protocol: GroupProtocol,
    /// `partition.assignment.strategy` names only the cooperative assignor.
    pub cooperative: bool,
    pub enable_auto_commit: bool,
    pub auto_commit_interval: Span,
    pub auto_offset_reset: AutoOffsetReset,
    pub isolation_level: IsolationLevel,
    pub max_poll_records: u32,
    pub max_poll_interval: Span,
    pub session_timeout: Span,
    pub heartbeat_interval: Span,
    pub fetch_max_wait: Span,
    pub request_timeout: Span,
    pub default_api_timeout: Span,
    pub retry_backoff: Span,
    pub retry_backoff_max: Span,
    pub reconnect_backoff: Span,
    pub reconnect_backoff_max: Span,
    pub metadata_max_age: Span,
}

/// Settings of every broker and of the controller, and the cluster's features.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are Kafka's keys")]
pub struct ClusterConfig {
    /// Feature `transaction.version`: 0, 1 or 2.
    pub transaction_version: u8,
    /// Feature `eligible.leader.replicas.version`: on from 1.
    pub eligible_leader_replicas: bool,
    pub unclean_leader_election_enable: bool,
    pub unclean_leader_election_interval: Span,
    pub replica_lag_time_max: Span,
    pub replica_fetch_wait_max: Span,
    pub replica_fetch_backoff: Span,
    pub replica_socket_timeout: Span,
    pub replica_high_watermark_checkpoint_interval: Span,
    pub broker_heartbeat_interval: Span,
    pub broker_session_timeout: Span,
    pub auto_leader_rebalance_enable: bool,
    pub leader_imbalance_check_interval: Span,
    pub producer_id_expiration: Span,
    pub producer_id_expiration_check_interval: Span,
    pub transaction_max_timeout: Span,
    pub transactional_id_expiration: Span,
    pub transaction_abort_timed_out_transaction_cleanup_interval: Span,
    pub transaction_partition_verification_enable: bool,
    pub transaction_state_log_min_isr: u32,
    /// min.insync.replicas of `__consumer_offsets`.
    pub offsets_topic_min_isr: u32,
    pub add_partitions_to_txn_retry_backoff: Span,
    pub add_partitions_to_txn_retry_backoff_max: Span,
    pub group_min_session_timeout: Span,
    pub group_max_session_timeout: Span,
    pub group_initial_rebalance_delay: Span,
    pub offsets_commit_timeout: Span,
    pub offsets_retention: Span,
    /// Default for topics that do not say.
    pub min_insync_replicas: u32,
    /// Default for topics that do not say, in bytes.
    pub message_max_bytes: u32,
}

/// Settings of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are Kafka's keys")]
pub struct TopicConfig {
    /// Each partition's replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    pub partitions: u8,
    pub min_insync_replicas: u32,
    pub unclean_leader_election_enable: bool,
    /// `max.message.bytes`
    pub max_message_bytes: u32,
    /// `flush.messages`: fsync after so many records; none: never.
    pub flush_messages: Option<u64>,
}

/// A configuration that Kafka refuses, in Kafka's own words (`ConfigException`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigException {
    /// The key that is refused, as Kafka spells it.
    pub key: String,
    /// Kafka's message.
    pub message: String,
}

/// Something that Kafka changes or ignores without an error, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigNote {
    /// The key concerned, as Kafka spells it.
    pub key: String,
    /// What happens and why.
    pub message: String,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        ProducerConfig {
            acks: Acks::All,
            enable_idempotence: true,
            retries: i32::MAX as u32,
            max_in_flight_requests_per_connection: 5,
            linger: Span::millis(5),
            batch_size: 16384,
            buffer_memory: 33_554_432,
            max_block: Span::seconds(60),
            request_timeout: Span::seconds(30),
            delivery_timeout: Span::seconds(120),
            retry_backoff: Span::millis(100),
            retry_backoff_max: Span::seconds(1),
            reconnect_backoff: Span::millis(50),
            reconnect_backoff_max: Span::seconds(1),
            max_request_size: 1_048_576,
            metadata_max_age: Span::seconds(300),
            transactional_id: None,
            transaction_timeout: Span::seconds(60),
        }
    }
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        ConsumerConfig {
            group_id: None,
            group_instance_id: None,
            group_protocol: GroupProtocol::Classic,
            cooperative: false,
            enable_auto_commit: true,
            auto_commit_interval: Span::seconds(5),
            auto_offset_reset: AutoOffsetReset::Latest,
            isolation_level: IsolationLevel::ReadUncommitted,
            max_poll_records: 500,
            max_poll_interval: Span::seconds(300),
            session_timeout: Span::seconds(45),
            heartbeat_interval: Span::seconds(3),
            fetch_max_wait: Span::millis(500),
            request_timeout: Span::seconds(30),
            default_api_timeout: Span::seconds(60),
            retry_backoff: Span::millis(100),
            retry_backoff_max: Span::seconds(1),
            reconnect_backoff: Span::millis(50),
            reconnect_backoff_max: Span::seconds(1),
            metadata_max_age: Span::seconds(300),
        }
    }
}

impl Default for ClusterConfig {
    fn default() -> Self {
        ClusterConfig {
            transaction_version: 2,
            eligible_leader_replicas: true,
            unclean_leader_election_enable: false,
            unclean_leader_election_interval: Span::seconds(300),
            replica_lag_time_max: Span::seconds(30),
            replica_fetch_wait_max: Span::millis(500),
            replica_fetch_backoff: Span::seconds(1),
            replica_socket_timeout: Span::seconds(30),
            replica_high_watermark_checkpoint_interval: Span::seconds(5),
            broker_heartbeat_interval: Span::seconds(2),
            broker_session_timeout: Span::seconds(9),
            auto_leader_rebalance_enable: true,
            leader_imbalance_check_interval: Span::seconds(300),
            producer_id_expiration: Span::seconds(86_400),
            producer_id_expiration_check_interval: Span::seconds(600),
            transaction_max_timeout: Span::seconds(900),
            transactional_id_expiration: Span::seconds(604_800),
            transaction_abort_timed_out_transaction_cleanup_interval: Span::seconds(10),
            transaction_partition_verification_enable: true,
            transaction_state_log_min_isr: 2,
            offsets_topic_min_isr: 1,
            add_partitions_to_txn_retry_backoff: Span::millis(20),
            add_partitions_to_txn_retry_backoff_max: Span::millis(100),
            group_min_session_timeout: Span::seconds(6),
            group_max_session_timeout: Span::seconds(1800),
            group_initial_rebalance_delay: Span::seconds(3),
            offsets_commit_timeout: Span::seconds(5),
            offsets_retention: Span::seconds(10_080 * 60),
            min_insync_replicas: 1,
            message_max_bytes: 1_048_588,
        }
    }
}
