//! The producer's batches, from the first record appended to the last answer (`RecordAccumulator`,
//! `ProducerBatch`; kafka-semantics 1.3).

use super::config::ProducerConfig;
use super::out::Out;
use super::types::*;
use crate::engine::sim::time::{Span, Time};
use std::collections::VecDeque;

/// What a batch takes beside its records, in bytes (`RecordBatch.RECORD_BATCH_OVERHEAD`).
pub const BATCH_OVERHEAD: u32 = 61;
/// What a record takes beside its value, roughly, in bytes.
const RECORD_OVERHEAD: u32 = 10;

/// Names a batch; a name is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchId {
    index: u32,
    generation: u32,
}

/// A batch that is not done.
#[derive(Clone, Debug)]
pub struct ProducerBatch {
    generation: u32,
    live: bool,
    /// Where it goes.
    pub partition: PartitionId,
    /// Its records.
    pub records: Vec<RecordId>,
    /// Its size.
    pub bytes: u32,
    /// When its first record was appended: `delivery.timeout.ms` counts from here.
    pub created: Time,
    /// How often it was tried and failed.
    pub attempts: u32,
    /// When it was last tried.
    pub last_attempt: Time,
    /// It was put back to be sent again at least once.
    pub in_retry: bool,
    /// It is in the queue (not in flight).
    pub queued: bool,
    /// It takes no more records.
    pub closed: bool,
    /// Producer id, epoch and base sequence, once assigned.
    pub producer_id: ProducerId,
    /// See `producer_id`.
    pub producer_epoch: ProducerEpoch,
    /// See `producer_id`.
    pub base_sequence: Sequence,
    /// Its sequence was rewritten under a new epoch (`sequenceHasBeenReset`).
    pub sequence_reset: bool,
    /// It belongs to a transaction.
    pub transactional: bool,
    /// The leader epoch that the client knew at the last attempt, to send at once under a new leader (KIP-951).
    pub attempt_leader_epoch: LeaderEpoch,
}

impl ProducerBatch {
    /// Whether it has its sequence.
    pub fn has_sequence(&self) -> bool {
        self.base_sequence >= 0
    }

    /// The sequence of its last record; -1 without a sequence.
    pub fn last_sequence_or_none(&self) -> Sequence {
        if self.has_sequence() { self.last_sequence() } else { -1 }
    }

    /// The sequence of its last record.
    pub fn last_sequence(&self) -> Sequence {
        super::record::sequence_after(self.base_sequence, self.records.len() as i32 - 1)
    }
}

/// Why a partition's head batch does not go out now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It can go.
    Ready,
    /// Not before this instant.
    At(Time),
    /// Nothing to send, or something else has to happen first.
    Not,
}

/// All batches of a producer.
#[derive(Clone, Debug)]
pub struct RecordAccumulator {
    slots: Vec<ProducerBatch>,
    free: Vec<u32>,
    /// Emptied lists of records, to be used again.
    spare: Vec<Vec<RecordId>>,
    queues: Vec<VecDeque<BatchId>>,
    muted: PartitionSet,
    incomplete: usize,
    /// Flushes that wait; while there are some, everything is sendable.
    pub flushing: bool,
    /// The producer is closing, or a transaction is completing: everything is sendable.
    pub hurrying: bool,
    linger: Span,
    batch_size: u32,
    delivery_timeout: Span,
    backoff: (Span, Span),
}

impl RecordAccumulator {
    /// Empty.
    pub fn new(config: &ProducerConfig, partitions: usize) -> RecordAccumulator {
        RecordAccumulator {
            slots: Vec::new(),
            free: Vec::new(),
            spare: Vec::new(),
            queues: vec![VecDeque::new(); partitions],
            muted: PartitionSet::EMPTY,
            incomplete: 0,
            flushing: false,
            hurrying: false,
            linger: config.linger,
            batch_size: config.batch_size,
            delivery_timeout: config.delivery_timeout,
            backoff: (config.retry_backoff, config.retry_backoff_max),
        }
    }

    /// A batch that is not done.
    pub fn get(&self, id: BatchId) -> Option<&ProducerBatch> {
        self.slots.get(id.index as usize).filter(|batch| batch.live && batch.generation == id.generation)
    }

    /// A batch that is not done, to change.
    pub fn get_mut(&mut self, id: BatchId) -> Option<&mut ProducerBatch> {
        self.slots.get_mut(id.index as usize).filter(|batch| batch.live && batch.generation == id.generation)
    }

    /// Whether some batch is not done, queued or in flight.
    pub fn has_incomplete(&self) -> bool {
        self.incomplete > 0
    }

    /// Every batch that is not done.
    pub fn incomplete(&self) -> impl Iterator<Item = BatchId> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, batch)| batch.live)
            .map(|(index, batch)| BatchId { index: index as u32, generation: batch.generation })
    }

    /// A partition's queue.
    pub fn queue(&self, partition: PartitionId) -> &VecDeque<BatchId> {
        &self.queues[partition.index()]
    }

    /// Appends a record to the open batch of its partition, or to a new one.
    pub fn append(
        &mut self,
        record: RecordId,
        partition: PartitionId,
        bytes: u32,
        transactional: bool,
        now: Time,
    ) {
        let size = bytes + RECORD_OVERHEAD;
        if let Some(last) = self.queues[partition.index()].back().copied() {
            let batch_size = self.batch_size;
            let batch = self.get_mut(last).expect("what is queued is not done");
            if !batch.closed && batch.bytes + size <= batch_size {
                batch.records.push(record);
                batch.bytes += size;
                return;
            }
            batch.closed = true;
        }
        let id = self.allocate(partition, transactional, now);
        let batch = self.get_mut(id).expect("just allocated");
        batch.records.push(record);
        batch.bytes += size;
        self.queues[partition.index()].push_back(id);
    }

    fn allocate(&mut self, partition: PartitionId, transactional: bool, now: Time) -> BatchId {
        self.incomplete += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(ProducerBatch {
                generation: 0,
                live: false,
                partition,
                records: Vec::new(),
                bytes: 0,
                created: now,
                attempts: 0,
                last_attempt: now,
                in_retry: false,
                queued: true,
                closed: false,
                producer_id: NO_PRODUCER_ID,
                producer_epoch: -1,
                base_sequence: -1,
                sequence_reset: false,
                transactional,
                attempt_leader_epoch: -1,
            });
            self.slots.len() as u32 - 1
        });
        let records = self.spare.pop().unwrap_or_default();
        let batch = &mut self.slots[index as usize];
        *batch = ProducerBatch {
            generation: batch.generation + 1,
            live: true,
            partition,
            records,
            bytes: BATCH_OVERHEAD,
            created: now,
            attempts: 0,
            last_attempt: now,
            in_retry: false,
            queued: true,
            closed: false,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: -1,
            sequence_reset: false,
            transactional,
            attempt_leader_epoch: -1,
        };
        BatchId { index, generation: batch.generation }
    }

    /// Whether a partition's head batch can be sent (`partitionReady`, `batchReady`).
    pub fn readiness(&self, partition: PartitionId, leader_epoch: LeaderEpoch, out: &Out) -> Readiness {
        let queue = &self.queues[partition.index()];
        let Some(head) = queue.front() else { return Readiness::Not };
        if self.muted.contains(partition) {
            return Readiness::Not;
        }
        let batch = self.get(*head).expect("what is queued is not done");
        if let Some(at) = self.backs_off_until(batch, leader_epoch, out)
            && at > out.now()
        {
            return Readiness::At(at);
        }
        let full = queue.len() > 1 || batch.closed || batch.bytes >= self.batch_size;
        let lingered = batch.created + self.linger;
        if batch.attempts > 0 || full || self.flushing || self.hurrying || lingered <= out.now() {
            Readiness::Ready
        } else {
            Readiness::At(lingered)
        }
    }

    /// A batch that failed waits, unless a newer leader became known (KIP-580, KIP-951).
    fn backs_off_until(&self, batch: &ProducerBatch, leader_epoch: LeaderEpoch, out: &Out) -> Option<Time> {
        if batch.attempts == 0 || leader_epoch > batch.attempt_leader_epoch {
            return None;
        }
        let first = batch.records.first().map_or(0, |record| u64::from(record.0));
        let (base, max) = self.backoff;
        Some(
            batch.last_attempt
                + out.backoff(base, max, batch.attempts - 1, (first, u64::from(batch.attempts))),
        )
    }

    /// When a batch that was put back may go out.
    pub fn retry_at(&self, id: BatchId, leader_epoch: LeaderEpoch, out: &Out) -> Time {
        self.get(id).and_then(|batch| self.backs_off_until(batch, leader_epoch, out)).unwrap_or(out.now())
    }

    /// Takes a partition's head batch out of its queue: it is in flight now.
    pub fn take_head(&mut self, partition: PartitionId) -> Option<BatchId> {
        let id = self.queues[partition.index()].pop_front()?;
        let batch = self.get_mut(id).expect("what is queued is not done");
        batch.queued = false;
        batch.closed = true;
        Some(id)
    }

    /// Nothing of this partition goes out (`max.in.flight.requests.per.connection=1`).
    pub fn mute(&mut self, partition: PartitionId, muted: bool) {
        if muted {
            self.muted.insert(partition);
        } else {
            self.muted.remove(partition);
        }
    }

    /// Puts a batch back to be sent again: to the front, or with idempotence in the order of sequences.
    pub fn put_back(&mut self, id: BatchId, now: Time) {
        let Some(batch) = self.get_mut(id) else { return };
        batch.attempts += 1;
        batch.last_attempt = now;
        batch.in_retry = true;
        batch.queued = true;
        let (partition, sequence, sequenced) = (batch.partition, batch.base_sequence, batch.has_sequence());
        let mut place = 0;
        if sequenced {
            let queue = &self.queues[partition.index()];
            place = queue
                .iter()
                .take_while(|other| {
                    self.get(**other)
                        .is_some_and(|other| other.has_sequence() && other.base_sequence < sequence)
                })
                .count();
        }
        self.queues[partition.index()].insert(place, id);
    }

    /// Splits a batch that was too large for the broker into one batch for each of its records, at the front of
    /// its queue; they inherit its age (`splitAndReenqueue`).
    pub fn split(&mut self, id: BatchId) {
        let Some(batch) = self.get_mut(id) else { return };
        let (partition, created, transactional) = (batch.partition, batch.created, batch.transactional);
        let size = (batch.bytes - BATCH_OVERHEAD) / (batch.records.len().max(1) as u32);
        let records = std::mem::take(&mut batch.records);
        for record in records.iter().rev() {
            let part = self.allocate(partition, transactional, created);
            let batch = self.get_mut(part).expect("just allocated");
            batch.records.push(*record);
            batch.bytes += size;
            batch.closed = true;
            self.queues[partition.index()].push_front(part);
        }
        self.done(id);
    }

    /// A batch is done: its name means nothing any more. Its records are returned, to be told.
    pub fn done(&mut self, id: BatchId) -> Option<(PartitionId, Vec<RecordId>)> {
        let batch = self.get_mut(id)?;
        batch.live = false;
        let (partition, queued) = (batch.partition, batch.queued);
        let records = std::mem::take(&mut batch.records);
        if queued {
            self.queues[partition.index()].retain(|other| *other != id);
        }
        self.free.push(id.index);
        self.incomplete -= 1;
        Some((partition, records))
    }

    /// Takes back the list that [`done`](Self::done) gave out.
    pub fn recycle(&mut self, mut records: Vec<RecordId>) {
        records.clear();
        self.spare.push(records);
    }

    /// The next batch that has passed `delivery.timeout.ms`: queued ones first, then those in flight.
    pub fn next_expired(&self, now: Time) -> Option<BatchId> {
        let expired = |id: &BatchId| {
            self.get(*id).is_some_and(|batch| now.since(batch.created) >= self.delivery_timeout)
        };
        let queued = self.queues.iter().filter_map(|queue| queue.front().copied()).find(|id| expired(id));
        queued.or_else(|| {
            self.incomplete()
                .filter(|id| self.get(*id).is_some_and(|batch| !batch.queued) && expired(id))
                .min_by_key(|id| self.get(*id).map(|batch| (batch.created, batch.base_sequence)))
        })
    }

    /// When the next batch passes `delivery.timeout.ms`.
    pub fn next_expiry(&self) -> Time {
        let oldest = self.slots.iter().filter(|batch| batch.live).map(|batch| batch.created).min();
        oldest.map_or(Time::NEVER, |created| created + self.delivery_timeout)
    }

    /// Whether a batch may be tried again at this instant, by its age.
    pub fn in_time(&self, id: BatchId, now: Time) -> bool {
        self.get(id).is_some_and(|batch| now.since(batch.created) < self.delivery_timeout)
    }
}
