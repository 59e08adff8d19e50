//! What the tests of clients share: a small cluster's setup and its metadata.

use super::config::{ClusterConfig, TopicConfig};
use super::metadata::{BrokerImage, ClusterImage, PartitionImage};
use super::out::Stage;
use super::types::*;
use crate::engine::script::{Record, Setup, Topic};
use std::sync::Arc;

/// Three brokers; the two internal topics and topic `t` with two partitions.
pub fn setup(cluster: ClusterConfig) -> Setup {
    let topic = |name: &str, partitions: u8, first: u8| Topic {
        name: name.into(),
        config: TopicConfig {
            replicas: vec![BrokerId(1), BrokerId(2), BrokerId(3)],
            partitions,
            min_insync_replicas: 1,
            unclean_leader_election_enable: false,
            max_message_bytes: 1_048_588,
            flush_messages: None,
        },
        first_partition: PartitionId(first),
        partitions_at_start: partitions,
    };
    Setup {
        seed: 1,
        cluster,
        brokers: 3,
        topics: vec![topic("__consumer_offsets", 1, 0), topic("__transaction_state", 1, 1), topic("t", 2, 2)],
        applications: Vec::new(),
        records: (0..200)
            .map(|number| Record { name: format!("r{number}"), key: None, poison: false })
            .collect(),
        transactional_ids: vec!["x".into()],
        groups: vec!["g".into()],
        instances: Vec::new(),
        script: Vec::new(),
    }
}

/// The metadata of [`setup`]'s cluster with the leaders of its four partitions, by (leader, epoch).
pub fn image(leaders: [(Option<BrokerId>, LeaderEpoch); 4], alive: &[u8]) -> ClusterImage {
    let partition = |(leader, leader_epoch)| PartitionImage {
        leader,
        leader_epoch,
        partition_epoch: 0,
        replicas: std::array::from_fn(|index| (index < 3).then(|| BrokerId::from_index(index))),
        isr: (1..=3).map(BrokerId).collect(),
        elr: BrokerSet::EMPTY,
        last_known_leader: None,
        recovering: false,
        min_insync_replicas: 1,
        unclean_leader_election_enable: false,
    };
    ClusterImage {
        partitions: leaders.map(partition).to_vec(),
        brokers: (1..=3)
            .map(|id| BrokerImage { epoch: 1, fenced: !alive.contains(&id), in_controlled_shutdown: false })
            .collect(),
    }
}

/// Who leads at first: B2 the last partition, B1 the others.
pub const LEADERS: [(Option<BrokerId>, LeaderEpoch); 4] =
    [(Some(BrokerId(1)), 0), (Some(BrokerId(1)), 0), (Some(BrokerId(1)), 0), (Some(BrokerId(2)), 0)];

/// A recording stage for [`setup`], whose metadata has [`LEADERS`] as version 0.
pub fn stage(setup: Setup) -> Stage {
    let mut stage = Stage::new(Arc::new(setup), true);
    stage.arenas.images.push(image(LEADERS, &[1, 2, 3]));
    stage
}
