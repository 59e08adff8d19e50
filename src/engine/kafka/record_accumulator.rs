//! The producer's batches, from the first record appended to the last answer (`RecordAccumulator`,
//! `ProducerBatch`, `BufferPool`; kafka-semantics 1.3).

use super::config::ProducerConfig;
use super::out::Out;
use super::record::sequence_after;
use super::types::*;
use crate::engine::sim::time::{Span, Time};
use crate::engine::sim::trace::EntryId;
use std::collections::VecDeque;

/// What a batch takes beside its records, in bytes (`RecordBatch.RECORD_BATCH_OVERHEAD`).
pub const BATCH_OVERHEAD: u32 = 61;
/// What a record takes beside its value, roughly, in bytes.
const RECORD_OVERHEAD: u32 = 10;

/// Between two attempts at a batch that cannot be split.
const SPLIT_PAUSE: Span = Span::millis(20);

/// Names a batch; a name is not used again. Names rise in the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchId {
    number: u32,
    slot: u32,
}

/// A record of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchRecord {
    /// Which.
    pub record: RecordId,
    /// What it takes in the batch.
    pub bytes: u32,
}

/// A batch, until its records have their answer and its last request has ended.
#[derive(Clone, Debug)]
pub struct ProducerBatch {
    number: u32,
    in_use: bool,
    /// Where it goes.
    pub partition: PartitionId,
    /// Its records.
    pub records: Vec<BatchRecord>,
    /// Its size.
    pub bytes: u32,
    /// What it takes of `buffer.memory`.
    memory: u32,
    /// When its first record was appended: `delivery.timeout.ms` counts from here.
    pub created: Time,
    /// How often it was tried and failed.
    pub attempts: u32,
    /// When it last failed; before that, when it was created.
    pub last_attempt: Time,
    /// It was put back to be sent again at least once.
    pub in_retry: bool,
    /// It is in its partition's queue.
    pub queued: bool,
    /// A request with it waits for its answer.
    pub in_flight: bool,
    /// Its records have their answer. A request with it may still be in flight.
    pub done: bool,
    /// It takes no more records.
    pub closed: bool,
    /// It does not go out before: see `split`.
    not_before: Time,
    /// Producer id, epoch and base sequence, once assigned.
    pub producer_id: ProducerId,
    /// See `producer_id`.
    pub producer_epoch: ProducerEpoch,
    /// See `producer_id`.
    pub base_sequence: Sequence,
    /// Its sequence was rewritten (`sequenceHasBeenReset`).
    pub sequence_reset: bool,
    /// It belongs to a transaction.
    pub transactional: bool,
    /// The leader epoch that the client knew at the last attempt: under a newer one it does not back off
    /// (KIP-951).
    pub attempt_leader_epoch: LeaderEpoch,
    /// What made it be sent: the first record's hand-over, or the decision to try again.
    pub cause: Option<EntryId>,
}

impl ProducerBatch {
    fn empty() -> ProducerBatch {
        ProducerBatch {
            number: 0,
            in_use: false,
            partition: PartitionId(0),
            records: Vec::new(),
            bytes: BATCH_OVERHEAD,
            memory: 0,
            created: Time::ZERO,
            attempts: 0,
            last_attempt: Time::ZERO,
            in_retry: false,
            queued: false,
            in_flight: false,
            done: false,
            closed: false,
            not_before: Time::ZERO,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: -1,
            sequence_reset: false,
            transactional: false,
            attempt_leader_epoch: -1,
            cause: None,
        }
    }

    /// Whether it has its sequence.
    pub fn has_sequence(&self) -> bool {
        self.base_sequence >= 0
    }

    /// The sequence of its last record; -1 without a sequence.
    pub fn last_sequence(&self) -> Sequence {
        if self.has_sequence() { sequence_after(self.base_sequence, self.count() - 1) } else { -1 }
    }

    /// How many records it has.
    pub fn count(&self) -> i32 {
        self.records.len() as i32
    }
}

/// Whether a partition's head batch can go out now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// Not before this instant: it lingers or backs off.
    At(Time),
    /// There is none, or its partition waits for an answer (`max.in.flight.requests.per.connection=1`).
    Not,
}

/// All batches of a producer.
#[derive(Clone, Debug)]
pub struct RecordAccumulator {
    slots: Vec<ProducerBatch>,
    free: Vec<u32>,
    queues: Vec<VecDeque<BatchId>>,
    nonempty: PartitionSet,
    muted: PartitionSet,
    created: u32,
    incomplete: usize,
    memory_used: u64,
    /// No batch expires before this; exact after each search for expired ones.
    no_expiry_before: Time,
    /// Everything is sendable at once: a flush or a completing transaction or `close()` waits for it, or
    /// memory is wanted.
    pub hurrying: bool,
    linger: Span,
    batch_size: u32,
    buffer_memory: u64,
    delivery_timeout: Span,
    backoff: (Span, Span),
}

impl RecordAccumulator {
    /// Empty.
    pub fn new(config: &ProducerConfig, partitions: usize) -> RecordAccumulator {
        RecordAccumulator {
            slots: Vec::new(),
            free: Vec::new(),
            queues: vec![VecDeque::new(); partitions],
            nonempty: PartitionSet::EMPTY,
            muted: PartitionSet::EMPTY,
            created: 0,
            incomplete: 0,
            memory_used: 0,
            no_expiry_before: Time::NEVER,
            hurrying: false,
            linger: config.linger,
            batch_size: config.batch_size,
            buffer_memory: config.buffer_memory,
            delivery_timeout: config.delivery_timeout,
            backoff: (config.retry_backoff, config.retry_backoff_max),
        }
    }

    /// A batch that is not done, or of which a request is in flight.
    pub fn get(&self, id: BatchId) -> Option<&ProducerBatch> {
        self.slots.get(id.slot as usize).filter(|batch| batch.in_use && batch.number == id.number)
    }

    /// Like [`get`](Self::get), to change.
    pub fn get_mut(&mut self, id: BatchId) -> Option<&mut ProducerBatch> {
        self.slots.get_mut(id.slot as usize).filter(|batch| batch.in_use && batch.number == id.number)
    }

    /// Whether a batch's records have their answer.
    pub fn is_done(&self, id: BatchId) -> bool {
        self.get(id).is_none_or(|batch| batch.done)
    }

    /// Whether some batch is not done, queued or in flight.
    pub fn has_incomplete(&self) -> bool {
        self.incomplete > 0
    }

    /// How many batches are not done, queued or in flight.
    pub fn incomplete_count(&self) -> usize {
        self.incomplete
    }

    /// Collects every batch that is not done and that the filter lets pass, in the order of creation.
    pub fn collect_incomplete(&self, into: &mut Vec<BatchId>, filter: impl Fn(&ProducerBatch) -> bool) {
        into.clear();
        into.extend(
            self.slots
                .iter()
                .enumerate()
                .filter(|(_, batch)| batch.in_use && !batch.done && filter(batch))
                .map(|(slot, batch)| BatchId { number: batch.number, slot: slot as u32 }),
        );
        into.sort_unstable_by_key(|id| id.number);
    }

    /// The partitions whose queue is not empty.
    pub fn nonempty(&self) -> PartitionSet {
        self.nonempty
    }

    /// A partition's queue.
    pub fn queue(&self, partition: PartitionId) -> &VecDeque<BatchId> {
        &self.queues[partition.index()]
    }

    /// Whether a record of so many bytes has room in the open batch or in `buffer.memory`.
    pub fn has_room(&self, partition: PartitionId, bytes: u32) -> bool {
        let size = bytes + RECORD_OVERHEAD;
        self.fits_open_batch(partition, size)
            || self.memory_used + u64::from(self.batch_memory(size)) <= self.buffer_memory
    }

    fn batch_memory(&self, size: u32) -> u32 {
        self.batch_size.max(size + BATCH_OVERHEAD)
    }

    fn fits_open_batch(&self, partition: PartitionId, size: u32) -> bool {
        let last = self.queues[partition.index()].back().and_then(|id| self.get(*id));
        last.is_some_and(|batch| !batch.closed && batch.bytes + size <= self.batch_size)
    }

    /// Appends a record to the open batch of its partition, or to a new one. `cause` is its hand-over.
    pub fn append(
        &mut self,
        record: RecordId,
        partition: PartitionId,
        bytes: u32,
        transactional: bool,
        now: Time,
        cause: Option<EntryId>,
    ) {
        let size = bytes + RECORD_OVERHEAD;
        let id = match self.queues[partition.index()].back() {
            Some(last) if self.fits_open_batch(partition, size) => *last,
            last => {
                if let Some(last) = last.copied() {
                    self.expect_mut(last).closed = true;
                }
                let id = self.allocate(partition, now);
                let memory = self.batch_memory(size);
                self.memory_used += u64::from(memory);
                let batch = self.expect_mut(id);
                batch.memory = memory;
                batch.transactional = transactional;
                batch.cause = cause;
                self.push_back(id);
                id
            }
        };
        let batch = self.expect_mut(id);
        batch.records.push(BatchRecord { record, bytes: size });
        batch.bytes += size;
    }

    /// As if the batches had been compressed less than was estimated: they are larger than `batch.size` now.
    #[cfg(test)]
    pub(super) fn set_batch_size(&mut self, batch_size: u32) {
        self.batch_size = batch_size;
    }

    fn expect_mut(&mut self, id: BatchId) -> &mut ProducerBatch {
        self.get_mut(id).expect("a queued batch is in use")
    }

    fn allocate(&mut self, partition: PartitionId, created: Time) -> BatchId {
        self.incomplete += 1;
        self.created += 1;
        self.watch_expiry(created);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(ProducerBatch::empty());
            self.slots.len() as u32 - 1
        });
        let batch = &mut self.slots[slot as usize];
        let mut records = std::mem::take(&mut batch.records);
        records.clear();
        *batch = ProducerBatch {
            number: self.created,
            in_use: true,
            partition,
            records,
            created,
            last_attempt: created,
            ..ProducerBatch::empty()
        };
        BatchId { number: self.created, slot }
    }

    fn push_back(&mut self, id: BatchId) {
        let batch = self.expect_mut(id);
        batch.queued = true;
        let partition = batch.partition;
        self.queues[partition.index()].push_back(id);
        self.nonempty.insert(partition);
    }

    /// Whether a partition's head batch can be sent (`partitionReady`, `batchReady`).
    pub fn readiness(&self, partition: PartitionId, leader_epoch: LeaderEpoch, out: &Out) -> Readiness {
        let queue = &self.queues[partition.index()];
        let Some(batch) = queue.front().and_then(|head| self.get(*head)) else { return Readiness::Not };
        if self.muted.contains(partition) {
            return Readiness::Not;
        }
        let backed_off = self.backs_off_until(batch, leader_epoch, out);
        if backed_off > out.now() {
            return Readiness::At(backed_off);
        }
        let full = queue.len() > 1 || batch.closed || batch.bytes >= self.batch_size;
        let lingered = batch.last_attempt + self.linger;
        if full || self.hurrying || lingered <= out.now() {
            Readiness::Ready
        } else {
            Readiness::At(lingered)
        }
    }

    /// Whether a drain may take a partition's head batch. A batch that lingers goes along when a request goes
    /// to its broker anyway (`drainBatchesForOneNode`).
    pub fn is_drainable(&self, partition: PartitionId, leader_epoch: LeaderEpoch, out: &Out) -> bool {
        let head = self.queues[partition.index()].front().and_then(|head| self.get(*head));
        !self.muted.contains(partition)
            && head.is_some_and(|batch| self.backs_off_until(batch, leader_epoch, out) <= out.now())
    }

    /// A batch that failed waits, unless a newer leader became known (KIP-580, KIP-951).
    fn backs_off_until(&self, batch: &ProducerBatch, leader_epoch: LeaderEpoch, out: &Out) -> Time {
        if batch.attempts == 0 {
            return batch.not_before;
        }
        if leader_epoch > batch.attempt_leader_epoch {
            return Time::ZERO;
        }
        let first = batch.records.first().map_or(0, |record| u64::from(record.record.0));
        let (base, max) = self.backoff;
        batch.last_attempt + out.backoff(base, max, batch.attempts - 1, (first, u64::from(batch.attempts)))
    }

    /// When a batch that was put back may go out.
    pub fn retry_at(&self, id: BatchId, leader_epoch: LeaderEpoch, out: &Out) -> Time {
        self.get(id).map_or(out.now(), |batch| self.backs_off_until(batch, leader_epoch, out)).max(out.now())
    }

    /// Takes a partition's head batch out of its queue: it is in flight now.
    pub fn take_head(&mut self, partition: PartitionId, leader_epoch: LeaderEpoch) -> Option<BatchId> {
        let id = self.queues[partition.index()].pop_front()?;
        if self.queues[partition.index()].is_empty() {
            self.nonempty.remove(partition);
        }
        let batch = self.expect_mut(id);
        batch.queued = false;
        batch.in_flight = true;
        batch.closed = true;
        batch.attempt_leader_epoch = batch.attempt_leader_epoch.max(leader_epoch);
        let next = self.queues[partition.index()].front().and_then(|head| self.get(*head));
        if let Some(created) = next.map(|batch| batch.created) {
            self.watch_expiry(created);
        }
        Some(id)
    }

    /// Nothing of this partition goes out until it is unmuted (`max.in.flight.requests.per.connection=1`).
    pub fn mute(&mut self, partition: PartitionId) {
        self.muted.insert(partition);
    }

    /// See [`mute`](Self::mute).
    pub fn unmute(&mut self, partition: PartitionId) {
        self.muted.remove(partition);
    }

    /// The request that carried a batch has ended.
    pub fn landed(&mut self, id: BatchId) {
        if let Some(batch) = self.get_mut(id) {
            batch.in_flight = false;
            self.maybe_free(id);
        }
    }

    /// Puts a batch back to be sent again: to the front, or with idempotence in the order of sequences
    /// (`reenqueue`).
    pub fn reenqueue(&mut self, id: BatchId, now: Time) {
        let batch = self.expect_mut(id);
        batch.attempts += 1;
        batch.last_attempt = now;
        batch.in_retry = true;
        self.insert(id);
    }

    fn insert(&mut self, id: BatchId) {
        let batch = self.expect_mut(id);
        batch.queued = true;
        let (partition, sequence, sequenced) = (batch.partition, batch.base_sequence, batch.has_sequence());
        let created = batch.created;
        self.watch_expiry(created);
        let goes_before = |other: &BatchId| {
            let other = self.get(*other).expect("a queued batch is in use");
            sequenced && other.has_sequence() && other.base_sequence < sequence
        };
        let place = self.queues[partition.index()].iter().take_while(|other| goes_before(other)).count();
        self.queues[partition.index()].insert(place, id);
        self.nonempty.insert(partition);
    }

    /// Splits a batch that was too large for the broker; the parts are queued in its place, count as not tried, and
    /// inherit its age and its sequences (`splitAndReenqueue`). Collects the parts, the last one first.
    ///
    /// Parts are as large as `batch.size` allows, whatever `max.message.bytes` says (KAFKA-8350): a batch that was not
    /// compressed comes back as it was. Kafka sends it again as fast as answers come; here it pauses in between.
    pub fn split(&mut self, id: BatchId, parts: &mut Vec<BatchId>, now: Time) {
        parts.clear();
        let batch = self.expect_mut(id);
        let records = std::mem::take(&mut batch.records);
        let whole = ProducerBatch { records: Vec::new(), ..batch.clone() };
        let limit = self.batch_size;
        let mut sequence = whole.base_sequence;
        let mut start = 0;
        while start < records.len() {
            let mut bytes = BATCH_OVERHEAD + records[start].bytes;
            let mut end = start + 1;
            while end < records.len() && bytes + records[end].bytes <= limit {
                bytes += records[end].bytes;
                end += 1;
            }
            let part = self.allocate(whole.partition, whole.created);
            let batch = self.expect_mut(part);
            batch.records.extend_from_slice(&records[start..end]);
            batch.bytes = bytes;
            batch.closed = true;
            if end - start == records.len() {
                batch.not_before = now + SPLIT_PAUSE;
            }
            batch.producer_id = whole.producer_id;
            batch.producer_epoch = whole.producer_epoch;
            batch.base_sequence = sequence;
            batch.transactional = whole.transactional;
            batch.cause = whole.cause;
            if sequence >= 0 {
                sequence = sequence_after(sequence, (end - start) as i32);
            }
            parts.push(part);
            start = end;
        }
        parts.reverse();
        for part in parts.iter() {
            self.insert(*part);
        }
        self.expect_mut(id).records = records;
        self.complete(id);
    }

    /// A batch's records have their answer. Its name stays good while a request with it is in flight.
    pub fn complete(&mut self, id: BatchId) {
        let Some(batch) = self.get_mut(id) else { return };
        if batch.done {
            return;
        }
        batch.done = true;
        let (partition, queued) = (batch.partition, batch.queued);
        let memory = std::mem::take(&mut batch.memory);
        batch.queued = false;
        if queued {
            let queue = &mut self.queues[partition.index()];
            queue.retain(|other| *other != id);
            if queue.is_empty() {
                self.nonempty.remove(partition);
            }
        }
        self.incomplete -= 1;
        self.memory_used -= u64::from(memory);
        self.maybe_free(id);
    }

    fn maybe_free(&mut self, id: BatchId) {
        let batch = self.expect_mut(id);
        if batch.done && !batch.in_flight {
            batch.in_use = false;
            self.free.push(id.slot);
        }
    }

    /// Collects the batches that have passed `delivery.timeout.ms`: first those queued, partition by partition from
    /// the head up to the first that has not, then those in flight.
    pub fn collect_expired(&mut self, now: Time, into: &mut Vec<BatchId>) {
        into.clear();
        if now < self.no_expiry_before {
            return;
        }
        self.collect_incomplete(into, |batch| !batch.queued && self.has_reached_delivery_timeout(batch, now));
        let in_flight = into.len();
        let mut oldest = Time::NEVER;
        for batch in self.slots.iter().filter(|batch| batch.in_use && !batch.done && !batch.queued) {
            if !self.has_reached_delivery_timeout(batch, now) {
                oldest = oldest.min(batch.created);
            }
        }
        for partition in self.nonempty.iter() {
            for id in &self.queues[partition.index()] {
                let batch = self.get(*id).expect("a queued batch is in use");
                if !self.has_reached_delivery_timeout(batch, now) {
                    oldest = oldest.min(batch.created);
                    break;
                }
                into.push(*id);
            }
        }
        into.rotate_left(in_flight);
        self.no_expiry_before = oldest + self.delivery_timeout;
    }

    /// A batch may be the next to expire.
    fn watch_expiry(&mut self, created: Time) {
        self.no_expiry_before = self.no_expiry_before.min(created + self.delivery_timeout);
    }

    /// Whether `delivery.timeout.ms` has passed since a batch was created.
    pub fn has_reached_delivery_timeout(&self, batch: &ProducerBatch, now: Time) -> bool {
        now.since(batch.created) >= self.delivery_timeout
    }

    /// No batch expires before this.
    pub fn next_expiry(&self) -> Time {
        if self.incomplete == 0 { Time::NEVER } else { self.no_expiry_before }
    }
}
