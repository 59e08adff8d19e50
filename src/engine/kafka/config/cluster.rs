//! Settings of brokers and controller (`AbstractKafkaConfig`, `ReplicationConfigs`,
//! `GroupCoordinatorConfig`, `TransactionStateManagerConfig`) and the cluster's features.

use super::settings::{Built, ConfigProblem, Domain, Key, Names, Settings, Value, apply, key};
use crate::engine::sim::time::Span;

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
    pub transaction_remove_expired_transaction_cleanup_interval: Span,
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
    pub offsets_retention_check_interval: Span,
    /// Default for topics that do not say.
    pub min_insync_replicas: u32,
    /// Default for topics that do not say, in bytes.
    pub message_max_bytes: u32,
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
            transaction_remove_expired_transaction_cleanup_interval: Span::seconds(3600),
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
            offsets_retention_check_interval: Span::seconds(600),
            min_insync_replicas: 1,
            message_max_bytes: 1_048_588,
        }
    }
}

/// The keys, in the order of the fields.
pub const KEYS: &[Key<ClusterConfig>] = &[
    key!("transaction.version", Domain::Level(2), transaction_version: number),
    Key {
        name: "eligible.leader.replicas.version",
        domain: Domain::Level(1),
        read: |config, _| Value::Number(i64::from(config.eligible_leader_replicas)),
        write: |config, value, _| config.eligible_leader_replicas = value.number() == 1,
    },
    key!("unclean.leader.election.enable", Domain::Boolean, unclean_leader_election_enable: bool),
    key!("unclean.leader.election.interval.ms", Domain::Long(1), unclean_leader_election_interval: millis),
    key!("replica.lag.time.max.ms", Domain::Long(1), replica_lag_time_max: millis),
    key!("replica.fetch.wait.max.ms", Domain::Int(1), replica_fetch_wait_max: millis),
    key!("replica.fetch.backoff.ms", Domain::Int(0), replica_fetch_backoff: millis),
    key!("replica.socket.timeout.ms", Domain::Int(1), replica_socket_timeout: millis),
    key!(
        "replica.high.watermark.checkpoint.interval.ms",
        Domain::Long(1),
        replica_high_watermark_checkpoint_interval: millis
    ),
    key!("broker.heartbeat.interval.ms", Domain::Int(1), broker_heartbeat_interval: millis),
    key!("broker.session.timeout.ms", Domain::Int(1), broker_session_timeout: millis),
    key!("auto.leader.rebalance.enable", Domain::Boolean, auto_leader_rebalance_enable: bool),
    key!(
        "leader.imbalance.check.interval.seconds",
        Domain::Long(1),
        leader_imbalance_check_interval: seconds
    ),
    key!("producer.id.expiration.ms", Domain::Int(1), producer_id_expiration: millis),
    key!("producer.id.expiration.check.interval.ms", Domain::Int(1), producer_id_expiration_check_interval: millis),
    key!("transaction.max.timeout.ms", Domain::Int(1), transaction_max_timeout: millis),
    key!("transactional.id.expiration.ms", Domain::Int(1), transactional_id_expiration: millis),
    key!(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        Domain::Int(1),
        transaction_abort_timed_out_transaction_cleanup_interval: millis
    ),
    key!(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        Domain::Int(1),
        transaction_remove_expired_transaction_cleanup_interval: millis
    ),
    key!(
        "transaction.partition.verification.enable",
        Domain::Boolean,
        transaction_partition_verification_enable: bool
    ),
    key!("transaction.state.log.min.isr", Domain::Int(1), transaction_state_log_min_isr: number),
    key!("add.partitions.to.txn.retry.backoff.ms", Domain::Int(1), add_partitions_to_txn_retry_backoff: millis),
    key!(
        "add.partitions.to.txn.retry.backoff.max.ms",
        Domain::Int(0),
        add_partitions_to_txn_retry_backoff_max: millis
    ),
    key!("group.min.session.timeout.ms", Domain::Int(0), group_min_session_timeout: millis),
    key!("group.max.session.timeout.ms", Domain::Int(0), group_max_session_timeout: millis),
    key!("group.initial.rebalance.delay.ms", Domain::Int(0), group_initial_rebalance_delay: millis),
    key!("offsets.commit.timeout.ms", Domain::Int(1), offsets_commit_timeout: millis),
    key!("offsets.retention.minutes", Domain::Int(1), offsets_retention: minutes),
    key!("offsets.retention.check.interval.ms", Domain::Long(1), offsets_retention_check_interval: millis),
    key!("min.insync.replicas", Domain::Int(1), min_insync_replicas: number),
    key!("message.max.bytes", Domain::Int(0), message_max_bytes: number),
];

/// Keys of Kafka's brokers that change nothing here.
const NOT_MODELLED: &[&str] = &[
    "default.replication.factor",
    "num.partitions",
    "replica.fetch.min.bytes",
    "log.dir.failure.timeout.ms",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "log.flush.scheduler.interval.ms",
    "log.flush.offset.checkpoint.interval.ms",
    "log.message.timestamp.after.max.ms",
    "log.retention.hours",
    "log.cleaner.enable",
    "transaction.state.log.num.partitions",
    "transaction.state.log.replication.factor",
    "transaction.two.phase.commit.enable",
    "offsets.topic.num.partitions",
    "offsets.topic.replication.factor",
    "offset.metadata.max.bytes",
    "group.consumer.session.timeout.ms",
    "group.consumer.heartbeat.interval.ms",
    "group.consumer.assignors",
    "auto.create.topics.enable",
];

impl ClusterConfig {
    /// Every key that the cluster has here.
    pub const KEYS: &'static [Key<ClusterConfig>] = KEYS;

    /// What Kafka makes of these settings, and whether a broker starts with them
    /// (`AbstractKafkaConfig.validateValues`, `GroupCoordinatorConfig`). `__consumer_offsets` takes
    /// the broker's `min.insync.replicas`.
    pub fn from_settings(settings: &Settings) -> Built<ClusterConfig> {
        let mut built = apply(ClusterConfig::default(), KEYS, NOT_MODELLED, settings, &mut Names::default());
        let config = &mut built.config;
        config.offsets_topic_min_isr = config.min_insync_replicas;
        if !built.problems.is_empty() {
            return built;
        }
        if config.replica_fetch_wait_max > config.replica_socket_timeout {
            built.problems.push(ConfigProblem::refused(
                "replica.socket.timeout.ms",
                "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent \
                 unnecessary socket timeouts",
            ));
        } else if config.replica_fetch_wait_max > config.replica_lag_time_max {
            built.problems.push(ConfigProblem::refused(
                "replica.fetch.wait.max.ms",
                "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to \
                 prevent frequent changes in ISR",
            ));
        } else if config.group_min_session_timeout > config.group_max_session_timeout {
            built.problems.push(ConfigProblem::refused(
                "group.max.session.timeout.ms",
                "group.max.session.timeout.ms must be greater than or equal to group.min.session.timeout.ms",
            ));
        }
        built
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::config::settings::Pairs;

    #[test]
    fn what_a_broker_refuses() {
        let cases: &[(Pairs<'_>, Option<&str>)] = &[
            (&[("transaction.version", "1"), ("producer.id.expiration.ms", "1000")], None),
            // Feature levels (spec section 0.4).
            (&[("transaction.version", "3")], Some("transaction.version")),
            (&[("eligible.leader.replicas.version", "2")], Some("eligible.leader.replicas.version")),
            // AbstractKafkaConfig.validateValues.
            (&[("replica.lag.time.max.ms", "400")], Some("replica.fetch.wait.max.ms")),
            (&[("replica.socket.timeout.ms", "400")], Some("replica.socket.timeout.ms")),
            // GroupCoordinatorConfig.
            (&[("group.min.session.timeout.ms", "1800001")], Some("group.max.session.timeout.ms")),
            (&[("compression.type", "lz4")], Some("compression.type")),
        ];
        for (settings, expected) in cases {
            let built = ClusterConfig::from_settings(&settings.iter().copied().collect());
            assert_eq!(built.problems.first().map(ConfigProblem::key), *expected, "{settings:?}");
        }
    }

    #[test]
    fn units() {
        let settings = [
            ("leader.imbalance.check.interval.seconds", "30"),
            ("offsets.retention.minutes", "2"),
            ("min.insync.replicas", "2"),
        ];
        let config = ClusterConfig::from_settings(&settings.into_iter().collect()).config;
        assert_eq!(config.leader_imbalance_check_interval, Span::seconds(30));
        assert_eq!(config.offsets_retention, Span::seconds(120));
        // Spec section 2.1: __consumer_offsets has the broker's default.
        assert_eq!((config.min_insync_replicas, config.offsets_topic_min_isr), (2, 2));
    }
}
