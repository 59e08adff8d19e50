//! One partition on one broker (`Partition`, `Replica`): whether it leads or follows, what a leader
//! knows of its followers, the in-sync replicas and the high watermark.

use super::error::ErrorCode;
use super::metadata::ClusterImage;
use super::partition_log::PartitionLog;
use super::types::*;
use crate::engine::sim::time::{Span, Time};

/// What a broker is for a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It has not learnt yet.
    #[default]
    Unknown,
    /// It leads.
    Leader,
    /// It follows this leader; none while the partition is offline.
    Follower(Option<BrokerId>),
}

/// What a leader knows of a follower (`ReplicaState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FollowerState {
    /// Where it fetched last: it has everything below. None: it has not fetched from this leader.
    pub log_end_offset: Option<Offset>,
    /// Its log start offset.
    pub log_start_offset: Offset,
    /// The leader's log end offset at its last fetch.
    pub last_fetch_leader_log_end_offset: Offset,
    /// When it fetched last.
    pub last_fetch: Option<Time>,
    /// When it last had everything that the leader had; none: never under this leader.
    pub last_caught_up: Option<Time>,
    /// Its broker epoch, as its fetches say.
    pub broker_epoch: i64,
}

impl FollowerState {
    /// `Replica.updateFetchStateOrThrow`
    fn credit(
        &mut self,
        offset: Offset,
        log_start: Offset,
        leader_end: Offset,
        now: Time,
        broker_epoch: i64,
    ) {
        let caught_up = if offset >= leader_end {
            Some(now)
        } else if offset >= self.last_fetch_leader_log_end_offset {
            self.last_fetch
        } else {
            None
        };
        self.last_caught_up = self.last_caught_up.max(caught_up);
        self.log_end_offset = Some(offset);
        self.log_start_offset = log_start;
        self.last_fetch_leader_log_end_offset = leader_end.max(self.last_fetch_leader_log_end_offset);
        self.last_fetch = Some(now);
        self.broker_epoch = broker_epoch;
    }

    /// `ReplicaState.isCaughtUp`
    fn is_caught_up(&self, leader_end: Offset, now: Time, lag_max: Span) -> bool {
        self.log_end_offset == Some(leader_end)
            || self.last_caught_up.is_some_and(|caught_up| now.since(caught_up) <= lag_max)
    }
}

/// A change of the ISR that the controller has not confirmed (`PendingPartitionChange`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingIsr {
    /// A replica is added: it counts for the high watermark at once.
    Expand(BrokerId),
    /// Replicas are removed: they count until it is confirmed.
    Shrink(BrokerSet),
}

/// One partition on one broker. The log survives the process, the rest does not.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Which.
    pub id: PartitionId,
    /// On which broker.
    pub broker: BrokerId,
    /// This replica's copy.
    pub log: PartitionLog,
    /// What the broker is for it.
    pub role: Role,
    /// The newest leader epoch that the broker has learnt; -1: none.
    pub leader_epoch: LeaderEpoch,
    /// The newest partition epoch that the broker has learnt; -1: none.
    pub partition_epoch: i32,
    /// As leader: the log end offset when this leadership began.
    pub leader_epoch_start_offset: Offset,
    /// As leader: the ISR that the controller has confirmed.
    pub isr: BrokerSet,
    /// As leader: the change that it has not confirmed.
    pub pending_isr: Option<PendingIsr>,
    /// As leader: the other replicas.
    pub other_replicas: BrokerSet,
    /// As leader: what is known of them, by broker.
    pub followers: [FollowerState; BROKERS_MAX],
    /// `min.insync.replicas`, at most the replication factor.
    pub min_insync_replicas: usize,
    /// As follower: no fetch before (`replica.fetch.backoff.ms`).
    pub fetch_delayed_until: Time,
    /// As follower: the leader refused this epoch; no fetch before new metadata.
    pub fenced: bool,
    shown_high_watermark: Offset,
    shown_last_stable_offset: Offset,
}

impl Partition {
    /// A replica with an empty log that has learnt nothing yet.
    pub fn new(id: PartitionId, broker: BrokerId) -> Partition {
        Partition {
            id,
            broker,
            log: PartitionLog::default(),
            role: Role::Unknown,
            leader_epoch: -1,
            partition_epoch: -1,
            leader_epoch_start_offset: 0,
            isr: BrokerSet::EMPTY,
            pending_isr: None,
            other_replicas: BrokerSet::EMPTY,
            followers: [FollowerState::default(); BROKERS_MAX],
            min_insync_replicas: 1,
            fetch_delayed_until: Time::ZERO,
            fenced: false,
            shown_high_watermark: 0,
            shown_last_stable_offset: 0,
        }
    }

    /// The process has ended: only the log is left, as its files have it.
    pub fn end_process(&mut self) {
        *self = Partition {
            log: std::mem::take(&mut self.log),
            shown_high_watermark: self.shown_high_watermark,
            shown_last_stable_offset: self.shown_last_stable_offset,
            ..Partition::new(self.id, self.broker)
        };
    }

    /// Whether this broker leads it.
    pub fn is_leader(&self) -> bool {
        self.role == Role::Leader
    }

    /// Whether a request that names a leader epoch may be served here (`checkCurrentLeaderEpoch`,
    /// `getLocalLog`); -1: it names none.
    ///
    /// # Errors
    /// FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER.
    pub fn check_leader(&self, current_leader_epoch: LeaderEpoch) -> Result<(), ErrorCode> {
        if current_leader_epoch >= 0 && current_leader_epoch < self.leader_epoch {
            Err(ErrorCode::FencedLeaderEpoch)
        } else if current_leader_epoch > self.leader_epoch {
            Err(ErrorCode::UnknownLeaderEpoch)
        } else if !self.is_leader() {
            Err(ErrorCode::NotLeaderOrFollower)
        } else {
            Ok(())
        }
    }

    /// The confirmed ISR and the replica being added; replicas being removed still count
    /// (`PartitionState.maximalIsr`).
    pub fn maximal_isr(&self) -> BrokerSet {
        let mut isr = self.isr;
        if let Some(PendingIsr::Expand(broker)) = self.pending_isr {
            isr.insert(broker);
        }
        isr
    }

    /// The confirmed ISR is too small for acks=all, and for the high watermark to move.
    pub fn is_under_min_isr(&self) -> bool {
        self.isr.len() < self.min_insync_replicas
    }

    /// Whether a replica may join the ISR as far as metadata says (`isReplicaIsrEligible`).
    fn is_isr_eligible(&self, broker: BrokerId, image: &ClusterImage) -> bool {
        let known = image.broker(broker);
        let epoch = self.followers[broker.index()].broker_epoch;
        !known.fenced && !known.in_controlled_shutdown && (epoch == -1 || epoch == known.epoch)
    }

    /// Moves the leader's high watermark up, if it can: to the lowest log end offset among the leader, the
    /// maximal ISR and replicas that are about to join it; not while the ISR is smaller than
    /// min.insync.replicas (kafka-semantics 2.5; `maybeIncrementLeaderHW`, KAFKA-15583).
    pub fn increment_high_watermark(&mut self, image: &ClusterImage, now: Time, lag_max: Span) -> bool {
        if self.is_under_min_isr() {
            return false;
        }
        let leader_end = self.log.log_end_offset();
        let maximal_isr = self.maximal_isr();
        let mut new = leader_end;
        for broker in self.other_replicas.iter() {
            let follower = &self.followers[broker.index()];
            let end = follower.log_end_offset.unwrap_or(-1);
            let counts = maximal_isr.contains(broker)
                || (follower.is_caught_up(leader_end, now, lag_max) && self.is_isr_eligible(broker, image));
            if end < new && counts {
                new = end;
            }
        }
        new > self.log.high_watermark() && self.log.set_high_watermark(new)
    }

    /// A follower fetched from `offset`: it has everything below. Returns whether its log end offset
    /// changed.
    pub fn credit_fetch(
        &mut self,
        follower: BrokerId,
        offset: Offset,
        log_start: Offset,
        broker_epoch: i64,
        now: Time,
    ) -> bool {
        let leader_end = self.log.log_end_offset();
        let state = &mut self.followers[follower.index()];
        let before = state.log_end_offset;
        state.credit(offset, log_start, leader_end, now, broker_epoch);
        state.log_end_offset != before
    }

    /// Proposes to add a follower to the ISR, if it has caught up; returns whether there is a proposal to
    /// send (`maybeExpandIsr`).
    pub fn propose_expansion(&mut self, follower: BrokerId, image: &ClusterImage) -> bool {
        let end = self.followers[follower.index()].log_end_offset.unwrap_or(-1);
        let joins = self.pending_isr.is_none()
            && self.other_replicas.contains(follower)
            && !self.isr.contains(follower)
            && self.is_isr_eligible(follower, image)
            && end >= self.log.high_watermark()
            && end >= self.leader_epoch_start_offset;
        if joins {
            self.pending_isr = Some(PendingIsr::Expand(follower));
        }
        joins
    }

    /// Proposes to remove followers that lag from the ISR; returns whether there is a proposal to send
    /// (`maybeShrinkIsr`).
    pub fn propose_shrink(&mut self, now: Time, lag_max: Span) -> bool {
        if !self.is_leader() || self.pending_isr.is_some() {
            return false;
        }
        let leader_end = self.log.log_end_offset();
        let mut out_of_sync = BrokerSet::EMPTY;
        for broker in self.isr.iter().filter(|broker| *broker != self.broker) {
            if !self.followers[broker.index()].is_caught_up(leader_end, now, lag_max) {
                out_of_sync.insert(broker);
            }
        }
        if !out_of_sync.is_empty() {
            self.pending_isr = Some(PendingIsr::Shrink(out_of_sync));
        }
        !out_of_sync.is_empty()
    }

    /// The ISR that the pending change asks for.
    pub fn proposed_isr(&self) -> Option<BrokerSet> {
        match self.pending_isr? {
            PendingIsr::Expand(broker) => {
                let mut isr = self.isr;
                isr.insert(broker);
                Some(isr)
            }
            PendingIsr::Shrink(out_of_sync) => Some(self.isr.without(out_of_sync)),
        }
    }

    /// Learns of the partition from new metadata as its leader; returns whether this begins a new leader
    /// epoch (`makeLeader`).
    pub fn make_leader(&mut self, image: &ClusterImage, now: Time) -> bool {
        let partition = image.partition(self.id);
        if partition.partition_epoch <= self.partition_epoch {
            return false;
        }
        let new_epoch = partition.leader_epoch > self.leader_epoch;
        let was_leader = self.is_leader();
        self.isr = partition.isr;
        self.pending_isr = None;
        self.other_replicas = partition.replicas().filter(|broker| *broker != self.broker).collect();
        self.partition_epoch = partition.partition_epoch;
        self.leader_epoch = partition.leader_epoch;
        self.role = Role::Leader;
        if !new_epoch {
            return false;
        }
        self.leader_epoch_start_offset = self.log.log_end_offset();
        self.log.begin_leader_epoch(self.leader_epoch);
        for broker in self.other_replicas.iter() {
            let in_sync = self.isr.contains(broker).then_some(now);
            let state = &mut self.followers[broker.index()];
            if was_leader {
                state.last_fetch_leader_log_end_offset = self.leader_epoch_start_offset;
                state.last_fetch = in_sync;
            } else {
                *state = FollowerState { broker_epoch: -1, ..FollowerState::default() };
            }
            state.last_caught_up = in_sync;
        }
        true
    }

    /// Learns of the partition from new metadata as a follower; returns whether this is a new leader epoch
    /// (`makeFollower`).
    pub fn make_follower(&mut self, image: &ClusterImage) -> bool {
        let partition = image.partition(self.id);
        if partition.partition_epoch <= self.partition_epoch {
            return false;
        }
        let new_epoch = partition.leader_epoch > self.leader_epoch;
        self.partition_epoch = partition.partition_epoch;
        self.leader_epoch = partition.leader_epoch;
        self.role = Role::Follower(partition.leader);
        self.isr = BrokerSet::EMPTY;
        self.pending_isr = None;
        if new_epoch {
            self.fetch_delayed_until = Time::ZERO;
            self.fenced = false;
        }
        new_epoch
    }

    /// The high watermark, if it is not what was last asked here.
    pub fn moved_high_watermark(&mut self) -> Option<Offset> {
        let now = self.log.high_watermark();
        (std::mem::replace(&mut self.shown_high_watermark, now) != now).then_some(now)
    }

    /// The last stable offset, if it is not what was last asked here.
    pub fn moved_last_stable_offset(&mut self) -> Option<Offset> {
        let now = self.log.last_stable_offset();
        (std::mem::replace(&mut self.shown_last_stable_offset, now) != now).then_some(now)
    }

    /// The replica's files are gone.
    pub fn wipe(&mut self) {
        *self = Partition::new(self.id, self.broker);
    }
}

#[cfg(test)]
mod tests;
