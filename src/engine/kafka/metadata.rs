//! The cluster's metadata (`MetadataImage`): who leads what, who is in sync, who is alive.
//!
//! The controller writes a new image at every change; brokers and clients know it by version, and
//! each may lag behind. Images are immutable and live as long as the run.

use super::types::*;

/// A partition as the controller knows it (`PartitionRegistration`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    /// The leader; none while the partition is offline.
    pub leader: Option<BrokerId>,
    /// Rises at every change of leader, also to none.
    pub leader_epoch: LeaderEpoch,
    /// Rises at every change.
    pub partition_epoch: i32,
    /// All replicas in the order of preference; unused places are none.
    pub replicas: [Option<BrokerId>; BROKERS_MAX],
    /// In-sync replicas.
    pub isr: BrokerSet,
    /// Eligible leader replicas (KIP-966).
    pub elr: BrokerSet,
    /// The last leader before ISR and ELR became empty (KIP-966).
    pub last_known_leader: Option<BrokerId>,
    /// The leader was elected uncleanly and has not said that it recovered.
    pub recovering: bool,
    /// The topic's `min.insync.replicas`, not yet clamped to the replication factor.
    pub min_insync_replicas: u32,
    /// The topic's `unclean.leader.election.enable`.
    pub unclean_leader_election_enable: bool,
}

impl PartitionImage {
    /// A partition of the same topic that is to be created later.
    pub fn absent(of_topic: &PartitionImage) -> PartitionImage {
        PartitionImage {
            leader: None,
            leader_epoch: -1,
            partition_epoch: -1,
            replicas: [None; BROKERS_MAX],
            isr: BrokerSet::EMPTY,
            ..*of_topic
        }
    }

    /// Whether it has been created.
    pub fn exists(&self) -> bool {
        self.partition_epoch >= 0
    }

    /// The replicas in the order of preference.
    pub fn replicas(&self) -> impl Iterator<Item = BrokerId> {
        self.replicas.into_iter().flatten()
    }

    /// `min(min.insync.replicas, replication factor)` (kafka-semantics 0.3).
    pub fn min_insync_replicas_effective(&self) -> usize {
        (self.min_insync_replicas as usize).min(self.replicas().count())
    }
}

/// A broker as the controller knows it (`BrokerRegistration`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrokerImage {
    /// The epoch of its registration; -1 before the first.
    pub epoch: i64,
    /// It may lead nothing and joins no ISR.
    pub fenced: bool,
    /// It is on its way down in good order.
    pub in_controlled_shutdown: bool,
}

/// The whole of it, at one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterImage {
    /// By `PartitionId`.
    pub partitions: Vec<PartitionImage>,
    /// By `BrokerId::index`.
    pub brokers: Vec<BrokerImage>,
}

impl ClusterImage {
    /// A partition.
    pub fn partition(&self, partition: PartitionId) -> &PartitionImage {
        &self.partitions[partition.index()]
    }

    /// A broker.
    pub fn broker(&self, broker: BrokerId) -> &BrokerImage {
        &self.brokers[broker.index()]
    }
}
