//! Sequences of an idempotent producer, partition by partition (`TxnPartitionMap`, `TxnPartitionEntry`;
//! kafka-semantics 1.6).

use super::record::sequence_after;
use super::record_accumulator::{BatchId, RecordAccumulator};
use super::types::*;

/// What the producer keeps of a partition.
#[derive(Clone, Debug)]
struct TxnPartitionEntry {
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    /// The base sequence of the next new batch.
    next_sequence: Sequence,
    /// The last sequence of the last batch acknowledged; -1: none.
    last_acked_sequence: Sequence,
    /// Batches with a sequence that are not done, in flight or waiting for a retry, in the order of sequences.
    in_flight: Vec<BatchId>,
    /// A batch expired that may be in the log: the sequence that follows it (`partitionsWithUnresolvedSequences`).
    unresolved: Option<Sequence>,
}

/// The sequences of every partition.
#[derive(Clone, Debug)]
pub struct TxnPartitionMap {
    entries: Vec<TxnPartitionEntry>,
    unresolved: PartitionSet,
}

impl TxnPartitionMap {
    /// No sequence was used yet.
    pub fn new(partitions: usize) -> TxnPartitionMap {
        let entry = TxnPartitionEntry {
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            next_sequence: 0,
            last_acked_sequence: -1,
            in_flight: Vec::new(),
            unresolved: None,
        };
        TxnPartitionMap { entries: vec![entry; partitions], unresolved: PartitionSet::EMPTY }
    }

    fn entry(&mut self, partition: PartitionId) -> &mut TxnPartitionEntry {
        &mut self.entries[partition.index()]
    }

    /// The base sequence of the next new batch.
    pub fn next_sequence(&self, partition: PartitionId) -> Sequence {
        self.entries[partition.index()].next_sequence
    }

    /// Whether batches with a sequence are not done.
    pub fn has_in_flight(&self, partition: PartitionId) -> bool {
        !self.entries[partition.index()].in_flight.is_empty()
    }

    /// The lowest sequence that is not done.
    pub fn first_in_flight_sequence(
        &self,
        partition: PartitionId,
        batches: &RecordAccumulator,
    ) -> Option<Sequence> {
        let first = self.entries[partition.index()].in_flight.first();
        first.and_then(|id| batches.get(*id)).map(|batch| batch.base_sequence)
    }

    /// Whether the partition's sequences belong to another producer id or epoch.
    pub fn is_stale(&self, partition: PartitionId, producer: (ProducerId, ProducerEpoch)) -> bool {
        let entry = &self.entries[partition.index()];
        (entry.producer_id, entry.producer_epoch) != producer
    }

    /// The partitions with an unresolved sequence.
    pub fn unresolved(&self) -> PartitionSet {
        self.unresolved
    }

    /// The sequence that follows the batch whose fate is unknown.
    pub fn unresolved_sequence(&self, partition: PartitionId) -> Option<Sequence> {
        self.entries[partition.index()].unresolved
    }

    /// A batch expired that may be in the log (`markSequenceUnresolved`).
    pub fn mark_unresolved(&mut self, partition: PartitionId, last_sequence: Sequence) {
        let next = sequence_after(last_sequence, 1);
        let known = &mut self.entry(partition).unresolved;
        *known = Some(known.map_or(next, |known| known.max(next)));
        self.unresolved.insert(partition);
    }

    /// The fate of what was unresolved is known, or does not matter any more.
    pub fn resolve(&mut self, partition: PartitionId) {
        self.entry(partition).unresolved = None;
        self.unresolved.remove(partition);
    }

    /// Whether a sequence follows the last one acknowledged (`isNextSequence`).
    pub fn is_next(&self, partition: PartitionId, sequence: Sequence) -> bool {
        let last = self.entries[partition.index()].last_acked_sequence;
        sequence == if last < 0 { 0 } else { sequence_after(last, 1) }
    }

    /// Gives a batch that has none its producer id, epoch and sequence.
    pub fn assign(
        &mut self,
        id: BatchId,
        producer: (ProducerId, ProducerEpoch),
        batches: &mut RecordAccumulator,
    ) {
        let Some(batch) = batches.get(id).filter(|batch| !batch.has_sequence()) else { return };
        let (partition, count) = (batch.partition, batch.count());
        if self.is_stale(partition, producer) && !self.has_in_flight(partition) {
            self.start_at_beginning(partition, producer, batches);
        }
        let entry = self.entry(partition);
        let batch = batches.get_mut(id).expect("just seen");
        (batch.producer_id, batch.producer_epoch) = producer;
        batch.base_sequence = entry.next_sequence;
        entry.next_sequence = sequence_after(entry.next_sequence, count);
        entry.in_flight.push(id);
    }

    /// Keeps a batch that came with its sequence: a part of one that was split.
    pub fn track(&mut self, id: BatchId, batches: &RecordAccumulator) {
        let Some(batch) = batches.get(id).filter(|batch| batch.has_sequence()) else { return };
        let lower = |other: &BatchId| {
            batches.get(*other).is_some_and(|other| other.base_sequence < batch.base_sequence)
        };
        let in_flight = &mut self.entry(batch.partition).in_flight;
        let place = in_flight.iter().take_while(|other| lower(other)).count();
        in_flight.insert(place, id);
    }

    /// A batch is done.
    pub fn remove(&mut self, id: BatchId, partition: PartitionId) {
        self.entry(partition).in_flight.retain(|other| *other != id);
    }

    /// Everything up to a sequence was acknowledged.
    pub fn acknowledged(&mut self, partition: PartitionId, last_sequence: Sequence) {
        let entry = self.entry(partition);
        entry.last_acked_sequence = entry.last_acked_sequence.max(last_sequence);
    }

    /// The partition goes on under another producer id or epoch, from sequence 0. What is not done is renumbered,
    /// also what may be in the log already under its old number (KAFKA-14034, row P59).
    pub fn start_at_beginning(
        &mut self,
        partition: PartitionId,
        producer: (ProducerId, ProducerEpoch),
        batches: &mut RecordAccumulator,
    ) {
        let entry = self.entry(partition);
        let mut sequence = 0;
        for id in &entry.in_flight {
            let Some(batch) = batches.get_mut(*id) else { continue };
            (batch.producer_id, batch.producer_epoch) = producer;
            batch.base_sequence = sequence;
            batch.sequence_reset = true;
            sequence = sequence_after(sequence, batch.count());
        }
        (entry.producer_id, entry.producer_epoch) = producer;
        entry.next_sequence = sequence;
        entry.last_acked_sequence = -1;
    }

    /// A batch is known not to be stored: those behind it take its place (`adjustSequencesDueToFailedBatch`).
    pub fn adjust_after_failure(
        &mut self,
        partition: PartitionId,
        base_sequence: Sequence,
        count: i32,
        batches: &mut RecordAccumulator,
    ) {
        let entry = self.entry(partition);
        // Kafka throws, and swallows the exception, when the producer id was reset meanwhile.
        if entry.next_sequence < count {
            return;
        }
        entry.next_sequence -= count;
        for id in &entry.in_flight {
            let Some(batch) = batches.get_mut(*id) else { continue };
            if batch.base_sequence >= base_sequence && batch.base_sequence >= count {
                batch.base_sequence -= count;
                batch.sequence_reset = true;
            }
        }
    }

    /// Forgets all sequences: another transaction begins under another epoch.
    pub fn reset(&mut self) {
        for entry in &mut self.entries {
            entry.producer_id = NO_PRODUCER_ID;
            entry.producer_epoch = -1;
            entry.next_sequence = 0;
            entry.last_acked_sequence = -1;
            entry.in_flight.clear();
            entry.unresolved = None;
        }
        self.unresolved = PartitionSet::EMPTY;
    }
}
