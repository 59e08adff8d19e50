//! What a client knows of the cluster (`Metadata`): who leads its partitions, which brokers there are,
//! and when to ask again.

use super::metadata::ClusterImage;
use super::types::*;
use crate::engine::sim::time::{Span, Time};

/// What a client knows of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownLeader {
    /// Who leads; none: nobody, as far as the client knows.
    pub leader: Option<BrokerId>,
    /// In which epoch; -1: none is known.
    pub leader_epoch: LeaderEpoch,
}

/// A client's knowledge of the cluster; see the module's description.
#[derive(Clone, Debug)]
pub struct ClientMetadata {
    partitions: Vec<KnownLeader>,
    /// The brokers that the client may turn to: at the start those of `bootstrap.servers`.
    brokers: BrokerSet,
    bootstrap: BrokerSet,
    /// The partitions of the topics that the client works with: all, until it says which.
    wanted: PartitionSet,
    /// The partitions that the request under way asks for.
    requested: PartitionSet,
    /// The request under way asks only for what is new (`isPartialUpdate`).
    asks_for_new: bool,
    /// The partitions that an answer has told of.
    known: PartitionSet,
    /// The partitions that answers were about, those too that are yet to be created.
    asked: PartitionSet,
    /// The version of the last answer.
    version: Option<u64>,
    updates: u32,
    need_update: bool,
    /// Something is wanted that no answer has told of.
    need_new: bool,
    max_age: Span,
    last_refresh: Option<Time>,
    last_successful_refresh: Option<Time>,
    /// Failed attempts since the last success.
    attempts: u32,
    /// Answers in a row that told nothing new.
    equivalent_responses: u32,
    /// When the back-off after the last refresh ends.
    allowed_at: Time,
}

impl ClientMetadata {
    /// Knows only the brokers of `bootstrap.servers` (all of them), and wants an update.
    pub fn new(brokers: usize, partitions: usize, max_age: Span) -> ClientMetadata {
        let bootstrap: BrokerSet = (0..brokers).map(BrokerId::from_index).collect();
        ClientMetadata {
            partitions: vec![KnownLeader { leader: None, leader_epoch: -1 }; partitions],
            brokers: bootstrap,
            bootstrap,
            wanted: (0..partitions as u8).map(PartitionId).collect(),
            requested: PartitionSet::EMPTY,
            asks_for_new: false,
            known: PartitionSet::EMPTY,
            asked: PartitionSet::EMPTY,
            version: None,
            updates: 0,
            need_update: true,
            need_new: false,
            max_age,
            last_refresh: None,
            last_successful_refresh: None,
            attempts: 0,
            equivalent_responses: 0,
            allowed_at: Time::ZERO,
        }
    }

    /// The client works only with the topics that it names: none so far.
    pub fn want_nothing(&mut self) {
        self.wanted = PartitionSet::EMPTY;
    }

    /// The client works with these partitions too (all those of a topic); asks for them at once if they are new to
    /// it (`requestUpdateForNewTopics`).
    pub fn want(&mut self, partitions: PartitionSet) {
        if !self.wanted.contains_all(partitions) {
            self.wanted = self.wanted.union(partitions);
            self.equivalent_responses = 0;
            self.need_new = true;
            self.allowed_at = Time::ZERO;
        }
    }

    /// Whether an answer has told of the partition.
    pub fn knows(&self, partition: PartitionId) -> bool {
        self.known.contains(partition)
    }

    /// The partitions that the last answer has told of.
    pub fn known(&self) -> PartitionSet {
        self.known
    }

    /// What is known of a partition. A leader that is not among the known brokers is none.
    pub fn leader(&self, partition: PartitionId) -> KnownLeader {
        let KnownLeader { leader, leader_epoch } = self.partitions[partition.index()];
        let known = self.known.contains(partition);
        let leader = leader.filter(|leader| known && self.brokers.contains(*leader));
        KnownLeader { leader, leader_epoch }
    }

    /// The brokers that the client may turn to.
    pub fn brokers(&self) -> BrokerSet {
        self.brokers
    }

    /// The version of the cluster's metadata that the last answer held.
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// Counts the changes of what is known (`updateVersion`).
    pub fn updates(&self) -> u32 {
        self.updates
    }

    /// Asks for an update as soon as the back-off allows (`requestUpdate`).
    pub fn request_update(&mut self) {
        self.need_update = true;
    }

    /// When the next Metadata request may and should go out (`timeToNextUpdate`).
    pub fn next_update(&self) -> Time {
        let due = match self.last_successful_refresh {
            _ if self.need_update || self.need_new => Time::ZERO,
            None => Time::ZERO,
            Some(at) => at + self.max_age,
        };
        due.max(self.allowed_at)
    }

    /// A Metadata request goes out: for all that is wanted, or only for what is new
    /// (`newMetadataRequestAndVersion`).
    pub(super) fn request_sent(&mut self, now: Time) {
        let is_fresh = self.last_successful_refresh.is_some_and(|at| at + self.max_age > now);
        self.asks_for_new = !self.need_update && is_fresh;
        self.requested = self.wanted;
        if self.asks_for_new {
            self.requested = self.wanted.without(self.asked);
        }
    }

    /// A Metadata request failed. `backoff` gives the back-off for the how many-th time (from 0).
    pub(super) fn failed_update(&mut self, now: Time, backoff: impl Fn(u32) -> Span) {
        self.attempts += 1;
        self.last_refresh = Some(now);
        self.set_backoff(now, backoff);
    }

    /// Learns of an answer: what is older than what is known is ignored, partition by partition
    /// (`Metadata.updateLatestMetadata`).
    pub(super) fn update(
        &mut self,
        now: Time,
        version: u64,
        image: &ClusterImage,
        backoff: impl Fn(u32) -> Span,
    ) {
        let alive: BrokerSet = image
            .brokers
            .iter()
            .enumerate()
            .filter(|(_, broker)| broker.epoch >= 0 && !broker.fenced)
            .map(|(index, _)| BrokerId::from_index(index))
            .collect();
        if alive.is_empty() {
            return self.failed_update(now, backoff);
        }
        let mut told = self.requested;
        if self.asks_for_new {
            told = told.union(self.asked);
        } else {
            self.need_update = false;
            self.last_successful_refresh = Some(now);
        }
        // What was wanted only after the request left is asked for again.
        self.need_new = !told.contains_all(self.wanted);
        self.last_refresh = Some(now);
        self.attempts = 0;
        self.equivalent_responses += 1;
        self.version = Some(version);
        self.updates += 1;
        self.brokers = alive;
        // A partition that is yet to be created is none that it knows.
        let exists = |partition: &PartitionId| image.partition(*partition).exists();
        let answered: PartitionSet = self.requested.iter().filter(exists).collect();
        for partition in answered.iter() {
            let answer = image.partition(partition);
            let known = &mut self.partitions[partition.index()];
            if answer.leader_epoch > known.leader_epoch || !self.known.contains(partition) {
                self.equivalent_responses = 0;
            }
            if answer.leader_epoch >= known.leader_epoch {
                *known = KnownLeader { leader: answer.leader, leader_epoch: answer.leader_epoch };
            }
            // LEADER_NOT_AVAILABLE is an InvalidMetadataException: ask again.
            if answer.leader.is_none_or(|leader| !alive.contains(leader)) {
                self.need_update = true;
            }
        }
        self.known = self.known.common(told).without(self.requested).union(answered);
        self.asked = told;
        self.set_backoff(now, backoff);
    }

    /// Learns of a newer leader from another response (KIP-951). Returns whether it was news.
    pub fn update_leader(&mut self, partition: PartitionId, leader: BrokerId, epoch: LeaderEpoch) -> bool {
        let known = &mut self.partitions[partition.index()];
        if !self.known.contains(partition) || epoch <= known.leader_epoch {
            return false;
        }
        *known = KnownLeader { leader: Some(leader), leader_epoch: epoch };
        self.updates += 1;
        true
    }

    /// No known broker can be reached: starts again from `bootstrap.servers`
    /// (`metadata.recovery.strategy=rebootstrap`, KIP-899).
    pub(super) fn rebootstrap(&mut self) {
        if self.brokers != self.bootstrap {
            self.brokers = self.bootstrap;
            self.known = PartitionSet::EMPTY;
            self.asked = PartitionSet::EMPTY;
            self.need_update = true;
            self.updates += 1;
        }
    }

    /// Exponential after failures and after answers without news (`timeToAllowUpdate`).
    fn set_backoff(&mut self, now: Time, backoff: impl Fn(u32) -> Span) {
        let after_attempts = backoff(self.attempts.saturating_sub(1));
        let after_equivalents =
            if self.equivalent_responses > 0 { backoff(self.equivalent_responses - 1) } else { Span::ZERO };
        self.allowed_at = now + after_attempts.max(after_equivalents);
    }
}
