//! All replicas of one broker (`ReplicaManager`): appends, what waits for the high watermark, and what
//! new metadata makes of each partition. Fetches are in `delayed_fetch`, produce requests in
//! `delayed_produce`.

use super::config::{Acks, ClusterConfig};
use super::defect::Defect;
use super::delayed_fetch::DelayedFetch;
use super::delayed_produce::PendingProduce;
use super::error::ErrorCode;
use super::event::Event;
use super::group_coordinator::GroupWaiter;
use super::message::FetchedPartition;
use super::metadata::ClusterImage;
use super::out::{BrokerTimer, Out, Timer};
use super::partition::{Partition, Role};
pub use super::partition_log::AppendInfo;
use super::partition_log::PartitionLog;
use super::producer_id_manager::ProducerIdManager;
pub use super::producer_state::{Origin, VerificationGuard};
use super::record::{Batch, BatchKind, MarkerKind};
use super::transaction_coordinator::TransactionWaiter;
use super::types::*;
use crate::engine::script::Setup;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::Time;
use crate::engine::sim::trace::EntryId;

/// Who waits until an append is below the high watermark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Waiter {
    /// A produce request with acks=all: its place among those pending, and the partition's place in it.
    Produce {
        /// Which request.
        slot: u32,
        /// Which of its partitions.
        index: u32,
    },
    /// A WriteTxnMarkers request: its place among those pending, and the marker's place in it.
    Markers {
        /// Which request.
        slot: u32,
        /// Which of its appends.
        index: u32,
    },
    /// The group coordinator.
    Group(GroupWaiter),
    /// The transaction coordinator.
    Transaction(TransactionWaiter),
}

/// A wait that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Appended {
    /// Who waited.
    pub waiter: Waiter,
    /// Whether the append is below the high watermark; else REQUEST_TIMED_OUT,
    /// NOT_LEADER_OR_FOLLOWER or NOT_ENOUGH_REPLICAS_AFTER_APPEND.
    pub result: Result<(), ErrorCode>,
    /// The fact that ended the wait.
    pub cause: Option<EntryId>,
}

/// A wait for the high watermark (`DelayedProduce`).
#[derive(Clone, Copy, Debug)]
struct Waiting {
    partition: PartitionId,
    offset: Offset,
    deadline: Time,
    waiter: Waiter,
}

/// A change of leadership that coordinators must hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadershipChange {
    /// This broker leads the partition from now on.
    Elected(PartitionId, LeaderEpoch),
    /// It does not any more.
    Resigned(PartitionId, LeaderEpoch),
}

/// All replicas of one broker.
#[derive(Clone, Debug)]
pub struct ReplicaManager {
    /// Which broker.
    pub broker: BrokerId,
    /// The cluster's settings.
    pub config: ClusterConfig,
    /// The version of the metadata that this broker has applied; none: not any yet.
    pub metadata_version: Option<u64>,
    /// The epoch of this broker's registration.
    pub broker_epoch: i64,
    /// What is wrong with this broker, in tests.
    /// Where producer ids come from.
    pub producer_ids: ProducerIdManager,
    /// The verification that allows the TxnOffsetCommit at hand to be written to `__consumer_offsets`.
    pub offsets_guard: VerificationGuard,
    /// `max.message.bytes`, by partition.
    max_message_bytes: Vec<u32>,
    /// `flush.messages`, by partition.
    flush_messages: Vec<Option<u64>>,
    pub(super) partitions: Vec<Option<Partition>>,
    waiting: Vec<Waiting>,
    /// When the timer for the earliest wait runs down; see [`ReplicaManager::on_append_wait_over`].
    waiting_timer: Time,
    appended: Vec<Appended>,
    pub(super) fetches: Vec<DelayedFetch>,
    pub(super) fetch_timer: Time,
    pub(super) produces: Vec<PendingProduce>,
    /// ISR changes to propose to the controller.
    pub(super) isr_proposals: Vec<PartitionId>,
    pub(super) leadership_changes: Vec<LeadershipChange>,
    /// Room for the answer to the fetch at hand.
    pub(super) fetched: Vec<FetchedPartition>,
    /// Room for the answers to fetches that waited.
    pub(super) delayed_fetched: Vec<FetchedPartition>,
}

impl ReplicaManager {
    /// Replicas with empty logs.
    pub fn new(broker: BrokerId, setup: &Setup) -> ReplicaManager {
        let mut partitions = Vec::new();
        let mut max_message_bytes = Vec::new();
        let mut flush_messages = Vec::new();
        for topic in &setup.topics {
            for n in 0..topic.config.partitions {
                let id = PartitionId(topic.first_partition.0 + n);
                partitions.resize_with(partitions.len().max(id.index() + 1), || None);
                max_message_bytes.resize(partitions.len(), topic.config.max_message_bytes);
                flush_messages.resize(partitions.len(), None);
                if topic.config.replicas.contains(&broker) {
                    partitions[id.index()] = Some(Partition::new(id, broker));
                }
                max_message_bytes[id.index()] = topic.config.max_message_bytes;
                flush_messages[id.index()] = topic.config.flush_messages;
            }
        }
        ReplicaManager {
            broker,
            config: setup.cluster.clone(),
            metadata_version: None,
            broker_epoch: -1,
            producer_ids: ProducerIdManager::new(broker),
            offsets_guard: VerificationGuard::SENTINEL,
            max_message_bytes,
            flush_messages,
            partitions,
            waiting: Vec::new(),
            waiting_timer: Time::NEVER,
            appended: Vec::new(),
            fetches: Vec::new(),
            fetch_timer: Time::NEVER,
            produces: Vec::new(),
            isr_proposals: Vec::new(),
            leadership_changes: Vec::new(),
            fetched: Vec::new(),
            delayed_fetched: Vec::new(),
        }
    }

    /// A partition that has a replica here.
    pub fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions.get(id.index()).and_then(Option::as_ref)
    }

    pub(super) fn partition_mut(&mut self, id: PartitionId) -> Option<&mut Partition> {
        self.partitions.get_mut(id.index()).and_then(Option::as_mut)
    }

    /// This broker's copy of a partition.
    pub fn log(&self, id: PartitionId) -> Option<&PartitionLog> {
        self.partition(id).map(|partition| &partition.log)
    }

    /// Whether this broker leads a partition.
    pub fn is_leader(&self, id: PartitionId) -> bool {
        self.partition(id).is_some_and(Partition::is_leader)
    }

    /// The metadata that this broker has applied.
    pub fn image<'a>(&self, out: &'a Out) -> Option<&'a ClusterImage> {
        self.metadata_version.and_then(|version| out.stage.arenas.images.get(version as usize))
    }

    /// Leader and leader epoch as this broker's metadata has them (KIP-951).
    pub(super) fn current_leader(&self, id: PartitionId, out: &Out) -> Option<(BrokerId, LeaderEpoch)> {
        let partition = self.image(out)?.partitions.get(id.index())?;
        Some((partition.leader?, partition.leader_epoch))
    }

    /// Appends a batch as the leader of its partition and moves what follows from it: high watermark,
    /// waiting fetches. What follows in this handling carries the append's fact as its cause.
    ///
    /// # Errors
    /// NOT_LEADER_OR_FOLLOWER; NOT_ENOUGH_REPLICAS for acks=all; those of
    /// [`PartitionLog::append_as_leader`]. Nothing is written then (kafka-semantics 2.2, 2.3).
    pub fn append(
        &mut self,
        mut batch: Batch,
        origin: Origin,
        acks: Acks,
        guard: VerificationGuard,
        out: &mut Out,
    ) -> Result<AppendInfo, ErrorCode> {
        let id = batch.partition;
        let verification = self.config.transaction_partition_verification_enable;
        let max_message_bytes = self.max_message_bytes.get(id.index()).copied().unwrap_or(u32::MAX);
        let flush_messages = self.flush_messages.get(id.index()).copied().flatten();
        let (now, defects) = (out.now(), out.stage.defects);
        let result = match self.partition_mut(id) {
            Some(partition) if partition.is_leader() => {
                if acks == Acks::All && partition.is_under_min_isr() {
                    Err(ErrorCode::NotEnoughReplicas)
                } else {
                    let epoch = partition.leader_epoch;
                    batch.leader_epoch = epoch;
                    if defects.has(Defect::WritesCommitsAsAborts)
                        && let BatchKind::Marker { kind, .. } = &mut batch.kind
                    {
                        *kind = MarkerKind::Abort;
                    }
                    if defects.has(Defect::ForgetsDuplicates) {
                        partition.log.forget_duplicates(batch.producer_id);
                    }
                    partition.log.append_as_leader(
                        batch,
                        epoch,
                        origin,
                        guard,
                        verification,
                        max_message_bytes,
                        now,
                    )
                }
            }
            _ => Err(ErrorCode::NotLeaderOrFollower),
        };
        match result {
            Err(error) => out.emit_as_cause(Event::AppendRefused { batch, error }),
            Ok(info) => {
                batch.base_offset = info.base_offset;
                if info.duplicate {
                    out.emit_as_cause(Event::DuplicateRecognised { batch });
                } else {
                    out.emit_as_cause(Event::BatchAppended { batch });
                    self.flush(id, flush_messages);
                    self.increment_high_watermark(id, out);
                    self.publish(id, out);
                }
            }
        }
        result
    }

    fn flush(&mut self, id: PartitionId, flush_messages: Option<u64>) {
        let Some(after) = flush_messages else { return };
        if let Some(partition) = self.partition_mut(id)
            && partition.log.unflushed() >= after as i64
        {
            partition.log.flush();
        }
    }

    /// Moves a leader's high watermark if it can; see [`Partition::increment_high_watermark`].
    pub(super) fn increment_high_watermark(&mut self, id: PartitionId, out: &Out) -> bool {
        let lag_max = self.config.replica_lag_time_max;
        if out.stage.defects.has(Defect::MovesHighWatermarkEarly) {
            return self.partition_mut(id).is_some_and(|partition| {
                let end = partition.log.log_end_offset();
                partition.is_leader() && partition.log.set_high_watermark(end)
            });
        }
        let Some(version) = self.metadata_version else { return false };
        let Some(image) = out.stage.arenas.images.get(version as usize) else { return false };
        let now = out.now();
        self.partition_mut(id).is_some_and(|partition| {
            partition.is_leader() && partition.increment_high_watermark(image, now, lag_max)
        })
    }

    /// States where high watermark and last stable offset are now, and lets go what waited for them or
    /// for the log's end.
    pub(super) fn publish(&mut self, id: PartitionId, out: &mut Out) {
        let before = out.cause;
        let Some(partition) = self.partition_mut(id) else { return };
        let high_watermark = partition.moved_high_watermark();
        let last_stable_offset = partition.moved_last_stable_offset();
        if let Some(to) = high_watermark
            && !out.stage.defects.has(Defect::KeepsHighWatermarksToItself)
        {
            out.emit_as_cause(Event::HighWatermarkMoved { partition: id, to });
        }
        if let Some(to) = last_stable_offset {
            out.emit(Event::LastStableOffsetMoved { partition: id, to });
        }
        if high_watermark.is_some() {
            self.complete_waiting(id, out);
        }
        self.complete_fetches(id, out);
        out.cause = before;
    }

    /// Has `waiter` told once everything below `offset` is below the high watermark, or that it never
    /// will be, or that the deadline has passed. The broker hands on what [`ReplicaManager::next_appended`] gives.
    pub fn wait_for_high_watermark(
        &mut self,
        partition: PartitionId,
        offset: Offset,
        deadline: Option<Time>,
        waiter: Waiter,
        out: &mut Out,
    ) {
        let deadline = deadline.unwrap_or(Time::NEVER);
        self.waiting.push(Waiting { partition, offset, deadline, waiter });
        self.complete_waiting(partition, out);
        if deadline < self.waiting_timer && self.waiting.last().is_some_and(|last| last.waiter == waiter) {
            self.waiting_timer = deadline;
            out.timer(deadline, Timer::Broker(BrokerTimer::AppendWaitOver));
        }
    }

    /// `Partition.checkEnoughReplicasReachOffset`
    fn complete_waiting(&mut self, id: PartitionId, out: &Out) {
        let ReplicaManager { partitions, waiting, appended, .. } = self;
        let partition = partitions.get(id.index()).and_then(Option::as_ref);
        let cause = out.cause;
        waiting.retain(|wait| {
            if wait.partition != id {
                return true;
            }
            let result = match partition {
                Some(partition) if partition.is_leader() => {
                    if partition.log.high_watermark() < wait.offset {
                        return true;
                    }
                    if partition.min_insync_replicas <= partition.maximal_isr().len() {
                        Ok(())
                    } else {
                        Err(ErrorCode::NotEnoughReplicasAfterAppend)
                    }
                }
                _ => Err(ErrorCode::NotLeaderOrFollower),
            };
            appended.push(Appended { waiter: wait.waiter, result, cause });
            false
        });
    }

    /// Ends the waits whose deadline has come. One timer stands for all of them: it runs down at the
    /// earliest deadline that was known when it was set, and is set again for what is left.
    pub fn on_append_wait_over(&mut self, out: &mut Out) {
        let now = out.now();
        let ReplicaManager { waiting, appended, .. } = self;
        let mut next = Time::NEVER;
        waiting.retain(|wait| {
            if wait.deadline > now {
                next = next.min(wait.deadline);
                return true;
            }
            let result = Err(ErrorCode::RequestTimedOut);
            appended.push(Appended { waiter: wait.waiter, result, cause: out.cause });
            false
        });
        self.waiting_timer = next;
        if next != Time::NEVER {
            out.timer(next, Timer::Broker(BrokerTimer::AppendWaitOver));
        }
    }

    /// The next wait that is over, oldest first.
    pub fn next_appended(&mut self) -> Option<Appended> {
        if self.appended.is_empty() { None } else { Some(self.appended.remove(0)) }
    }

    /// Applies a version of the metadata: leads and follows as it says.
    pub fn apply_metadata(&mut self, version: u64, out: &mut Out) {
        self.metadata_version = Some(version);
        let before = out.cause;
        for index in 0..self.partitions.len() {
            let id = PartitionId(index as u8);
            let now = out.now();
            let image = &out.stage.arenas.images[version as usize];
            let Some(registered) = image.partitions.get(index) else { continue };
            let (leader, leader_epoch) = (registered.leader, registered.leader_epoch);
            let Some(partition) = self.partitions[index].as_mut() else { continue };
            partition.min_insync_replicas = registered.min_insync_replicas_effective();
            let was_leader = partition.is_leader();
            if leader == Some(self.broker) {
                if partition.make_leader(image, now) {
                    out.emit_as_cause(Event::BecameLeader { partition: id, leader_epoch });
                    self.leadership_changes.push(LeadershipChange::Elected(id, leader_epoch));
                }
                self.increment_high_watermark(id, out);
            } else if partition.make_follower(image) {
                out.emit_as_cause(Event::BecameFollower { partition: id, leader_epoch, leader });
                if was_leader {
                    self.leadership_changes.push(LeadershipChange::Resigned(id, leader_epoch));
                    self.complete_waiting(id, out);
                }
            }
            self.publish(id, out);
            out.cause = before;
        }
    }

    /// The next change of leadership that coordinators must hear of.
    pub fn next_leadership_change(&mut self) -> Option<LeadershipChange> {
        if self.leadership_changes.is_empty() { None } else { Some(self.leadership_changes.remove(0)) }
    }

    /// Writes what was fetched from the leader, and takes over its high watermark and log start
    /// (`ReplicaFetcherThread.processPartitionData`).
    pub fn append_fetched(
        &mut self,
        id: PartitionId,
        batches: List<Batch>,
        leader_high_watermark: Offset,
        leader_log_start_offset: Offset,
        out: &mut Out,
    ) {
        let now = out.now();
        let before = out.cause;
        let flush_messages = self.flush_messages.get(id.index()).copied().flatten();
        let Some(partition) = self.partition_mut(id) else { return };
        for index in 0..batches.len() {
            let batch = out.stage.arenas.batches[batches][index];
            let (start, end) = (partition.log.log_start_offset(), partition.log.log_end_offset());
            if batch.base_offset < end {
                if start < end || batch.next_offset() <= start {
                    continue;
                }
                // Records were deleted up to the middle of this batch, and this log is empty: it begins with the
                // whole batch (`ReplicaManager.appendRecordsToFollowerOrFutureReplica`).
                partition.log.truncate_fully_and_start_at(batch.base_offset);
                out.emit_as_cause(Event::LogTruncated { partition: id, to: batch.base_offset });
                out.emit(Event::LogStartMoved { partition: id, to: batch.base_offset });
            }
            partition.log.append_as_follower(batch, now);
            out.emit_as_cause(Event::BatchAppended { batch });
        }
        let moved = partition.log.set_high_watermark(leader_high_watermark);
        let raised = partition.log.raise_log_start(leader_log_start_offset);
        if batches.is_empty() && !moved && !raised {
            // Most partitions of most answers: nothing is new, so nobody hears of it.
            return;
        }
        if raised {
            out.emit(Event::LogStartMoved { partition: id, to: leader_log_start_offset });
        }
        self.flush(id, flush_messages);
        self.publish(id, out);
        out.cause = before;
    }

    /// Cuts a replica's log off at an offset.
    pub fn truncate(&mut self, id: PartitionId, offset: Offset, out: &mut Out) {
        let (now, expiration) = (out.now(), self.config.producer_id_expiration);
        let Some(partition) = self.partition_mut(id) else { return };
        let start = partition.log.log_start_offset();
        if partition.log.truncate_to(offset, now, expiration) {
            let to = partition.log.log_end_offset();
            out.emit_as_cause(Event::LogTruncated { partition: id, to });
            if partition.log.log_start_offset() < start {
                out.emit(Event::LogStartMoved { partition: id, to: partition.log.log_start_offset() });
            }
        }
        self.publish(id, out);
    }

    /// Drops a replica's whole log and starts again where the leader's begins.
    pub fn truncate_fully_and_start_at(&mut self, id: PartitionId, offset: Offset, out: &mut Out) {
        let Some(partition) = self.partition_mut(id) else { return };
        partition.log.truncate_fully_and_start_at(offset);
        out.emit_as_cause(Event::LogTruncated { partition: id, to: offset });
        out.emit(Event::LogStartMoved { partition: id, to: offset });
        self.publish(id, out);
    }

    /// Deletes the records of a partition before an offset, as its leader (`DeleteRecords`).
    ///
    /// # Errors
    /// NOT_LEADER_OR_FOLLOWER; OFFSET_OUT_OF_RANGE beyond the high watermark.
    pub fn delete_records(
        &mut self,
        id: PartitionId,
        before: Offset,
        out: &mut Out,
    ) -> Result<(), ErrorCode> {
        let Some(partition) = self.partition_mut(id).filter(|partition| partition.is_leader()) else {
            return Err(ErrorCode::NotLeaderOrFollower);
        };
        if before > partition.log.high_watermark() {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        if partition.log.raise_log_start(before) {
            out.emit(Event::LogStartMoved { partition: id, to: before });
        }
        self.publish(id, out);
        Ok(())
    }

    /// Followers that lag leave the ISR (every half `replica.lag.time.max.ms`).
    pub fn shrink_isr(&mut self, out: &Out) {
        let (now, lag_max) = (out.now(), self.config.replica_lag_time_max);
        let ReplicaManager { partitions, isr_proposals, .. } = self;
        for partition in partitions.iter_mut().flatten() {
            if partition.propose_shrink(now, lag_max) {
                isr_proposals.push(partition.id);
            }
        }
    }

    /// Forgets idle producers (`producer.id.expiration.check.interval.ms`).
    pub fn expire_producers(&mut self, out: &mut Out) {
        let (now, expiration) = (out.now(), self.config.producer_id_expiration);
        for partition in self.partitions.iter_mut().flatten() {
            let id = partition.id;
            partition.log.expire_producers(now, expiration, |producer_id| {
                out.emit(Event::ProducerStateExpired { partition: id, producer_id });
            });
        }
    }

    /// `replica.high.watermark.checkpoint.interval.ms`
    pub fn checkpoint_high_watermarks(&mut self) {
        for partition in self.partitions.iter_mut().flatten() {
            partition.log.checkpoint_high_watermark();
        }
    }

    /// The process ends; if in good order, logs are flushed and producers' snapshots written.
    pub fn end_process(&mut self, cleanly: bool) {
        for partition in self.partitions.iter_mut().flatten() {
            if cleanly {
                partition.log.close_cleanly();
            }
            partition.end_process();
        }
        self.metadata_version = None;
        self.broker_epoch = -1;
        self.producer_ids.begin_block();
        self.waiting.clear();
        self.waiting_timer = Time::NEVER;
        self.appended.clear();
        self.fetches.clear();
        self.fetch_timer = Time::NEVER;
        self.produces.clear();
        self.isr_proposals.clear();
        self.leadership_changes.clear();
    }

    /// A new process loads the logs; see [`PartitionLog::load`].
    pub fn load(&mut self, clean: bool, out: &mut Out) {
        let (now, expiration) = (out.now(), self.config.producer_id_expiration);
        for index in 0..self.partitions.len() {
            if let Some(partition) = self.partitions[index].as_mut() {
                partition.log.load(clean, now, expiration);
                self.publish(PartitionId(index as u8), out);
            }
        }
    }

    /// Power is lost: of these partitions only the first records are left.
    pub fn keep_first_records(&mut self, partitions: PartitionSet, records: u32, out: &mut Out) {
        let (now, expiration) = (out.now(), self.config.producer_id_expiration);
        for id in partitions.iter() {
            let Some(partition) = self.partition_mut(id) else { continue };
            let end = partition.log.log_end_offset();
            let to = partition.log.keep_first_records(records, now, expiration);
            let start = partition.log.log_start_offset();
            if to != end {
                out.emit(Event::LogTruncated { partition: id, to });
            }
            if to < start {
                out.emit(Event::LogStartMoved { partition: id, to: start });
            }
        }
    }

    /// The files of these partitions are gone.
    pub fn wipe(&mut self, partitions: PartitionSet, out: &mut Out) {
        for id in partitions.iter() {
            if let Some(partition) = self.partition_mut(id) {
                partition.wipe();
                out.emit(Event::LogWiped { partition: id });
            }
        }
    }

    /// The partitions that this broker follows, with their leaders.
    pub(super) fn followed(&self) -> impl Iterator<Item = (PartitionId, BrokerId)> + '_ {
        self.partitions.iter().flatten().filter_map(|partition| match partition.role {
            Role::Follower(Some(leader)) => Some((partition.id, leader)),
            _ => None,
        })
    }
}
