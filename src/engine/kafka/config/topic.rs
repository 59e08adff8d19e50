//! Settings of a topic (`LogConfig`, `TopicConfig.java`).

use super::cluster::ClusterConfig;
use super::settings::{Built, ConfigNote, Domain, Key, Names, Settings, Value, apply, key};
use crate::engine::kafka::types::BrokerId;

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

/// The keys, in the order of the fields.
pub const KEYS: &[Key<TopicConfig>] = &[
    key!("min.insync.replicas", Domain::Int(1), min_insync_replicas: number),
    key!("unclean.leader.election.enable", Domain::Boolean, unclean_leader_election_enable: bool),
    key!("max.message.bytes", Domain::Int(0), max_message_bytes: number),
    Key {
        name: "flush.messages",
        domain: Domain::Long(1),
        read: |config, _| {
            Value::Number(config.flush_messages.map_or(i64::MAX, |n| i64::try_from(n).unwrap_or(i64::MAX)))
        },
        write: |config, value, _| {
            config.flush_messages = Some(value.number()).filter(|n| *n < i64::MAX as u64);
        },
    },
];

/// Keys of Kafka's topics that change nothing here.
const NOT_MODELLED: &[&str] = &[
    "cleanup.policy",
    "compression.type",
    "delete.retention.ms",
    "flush.ms",
    "message.timestamp.type",
    "message.timestamp.after.max.ms",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.ms",
];

impl TopicConfig {
    /// Every key that a topic has here.
    pub const KEYS: &'static [Key<TopicConfig>] = KEYS;

    /// A topic of this cluster with these replicas (the preferred leader first) and partitions.
    pub fn from_settings(
        cluster: &ClusterConfig,
        replicas: Vec<BrokerId>,
        partitions: u8,
        settings: &Settings,
    ) -> Built<TopicConfig> {
        let config = TopicConfig {
            replicas,
            partitions,
            min_insync_replicas: cluster.min_insync_replicas,
            unclean_leader_election_enable: cluster.unclean_leader_election_enable,
            max_message_bytes: cluster.message_max_bytes,
            flush_messages: None,
        };
        let mut built = apply(config, KEYS, NOT_MODELLED, settings, &mut Names::default());
        let (least, replicas) = (built.config.min_insync_replicas, built.config.replicas.len());
        if least as usize > replicas {
            built.notes.push(ConfigNote {
                key: "min.insync.replicas".to_owned(),
                message: format!(
                    "min.insync.replicas={least} is more than the topic has replicas: Kafka takes {replicas}."
                ),
            });
        }
        built
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_does_not_say_comes_from_the_broker() {
        let cluster = ClusterConfig { min_insync_replicas: 2, ..ClusterConfig::default() };
        let replicas: Vec<_> = [1, 2, 3].map(BrokerId).to_vec();
        let own = [("max.message.bytes", "2000"), ("flush.messages", "1")].into_iter().collect();
        let built = TopicConfig::from_settings(&cluster, replicas.clone(), 1, &own);
        assert_eq!((built.config.min_insync_replicas, built.config.max_message_bytes), (2, 2000));
        assert_eq!((built.config.flush_messages, built.notes.len()), (Some(1), 0));
        // Spec section 0.3: minISR_eff.
        let four = [("min.insync.replicas", "4")].into_iter().collect();
        assert_eq!(TopicConfig::from_settings(&cluster, replicas, 1, &four).notes.len(), 1);
    }
}
