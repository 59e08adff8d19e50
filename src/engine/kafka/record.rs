//! Record batches, as they travel and as they lie in a log.
//!
//! A batch is a small `Copy` header; its records are a list in [`Arenas`], shared by every copy.

use super::event::TransactionMetadata;
use super::message::{AbortedTransaction, FetchPartition, FetchedPartition, MarkerEntry};
use super::message::{MemberAssignment, OffsetEntry, ProducedPartition};
use super::metadata::ClusterImage;
use super::types::*;
use crate::engine::sim::arena::{Arena, List};
use crate::engine::sim::time::Time;

/// What one record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// An application's record.
    Record(RecordId),
    /// `__consumer_offsets`: a committed offset.
    OffsetCommit {
        /// The group that committed.
        group: GroupId,
        /// The partition whose offset it is.
        partition: PartitionId,
        /// The next offset to read; -1: the offset is forgotten (a tombstone).
        offset: Offset,
        /// The leader epoch of the record before it; -1: unknown.
        leader_epoch: LeaderEpoch,
        /// When it was committed.
        committed_at: Time,
    },
    /// `__consumer_offsets`: a group's generation and members.
    GroupMetadata {
        /// The group.
        group: GroupId,
        /// Its generation.
        generation: i32,
        /// Members with their assignments.
        members: List<MemberAssignment>,
        /// When the group came into this state.
        changed_at: Time,
    },
    /// `__transaction_state`: the state of a transactional id.
    Transaction(TransactionMetadata),
}

/// Whether an end-transaction marker commits or aborts (`ControlRecordType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkerKind {
    /// The transaction's records become visible.
    Commit,
    /// The transaction's records are never visible to read_committed readers.
    Abort,
}

/// What kind of batch it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// Records outside any transaction.
    Plain,
    /// Records of a transaction.
    Transactional,
    /// An end-transaction marker: one control record.
    Marker {
        /// Commit or abort.
        kind: MarkerKind,
        /// The epoch of the coordinator that wrote it.
        coordinator_epoch: i32,
    },
}

/// A record batch (`RecordBatch`). Offset and leader epoch are -1 until a leader appends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Where it goes.
    pub partition: PartitionId,
    /// The offset of its first record.
    pub base_offset: Offset,
    /// The epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    /// Who wrote it; [`NO_PRODUCER_ID`] without idempotence.
    pub producer_id: ProducerId,
    /// That producer's epoch; -1 without idempotence.
    pub producer_epoch: ProducerEpoch,
    /// The sequence of its first record; -1 without idempotence and for markers.
    pub base_sequence: Sequence,
    /// Plain, transactional or marker.
    pub kind: BatchKind,
    /// Its records; empty for a marker.
    pub records: List<Payload>,
    /// Its size in bytes.
    pub bytes: u32,
}

impl Batch {
    /// How many offsets it takes: its records, or one for a marker.
    pub fn offset_count(&self) -> i64 {
        match self.kind {
            BatchKind::Marker { .. } => 1,
            BatchKind::Plain | BatchKind::Transactional => self.records.len() as i64,
        }
    }

    /// The offset of its last record.
    pub fn last_offset(&self) -> Offset {
        self.base_offset + self.offset_count() - 1
    }

    /// The offset that follows its last record.
    pub fn next_offset(&self) -> Offset {
        self.base_offset + self.offset_count()
    }

    /// The sequence of its last record; sequences wrap from 2^31-1 to 0
    /// (`DefaultRecordBatch.incrementSequence`).
    pub fn last_sequence(&self) -> Sequence {
        if self.base_sequence < 0 {
            return self.base_sequence;
        }
        sequence_after(self.base_sequence, self.records.len() as i32 - 1)
    }

    /// Whether it belongs to a transaction (markers included).
    pub fn is_transactional(&self) -> bool {
        !matches!(self.kind, BatchKind::Plain)
    }

    /// Whether it is an end-transaction marker.
    pub fn is_marker(&self) -> bool {
        matches!(self.kind, BatchKind::Marker { .. })
    }
}

/// The sequence `count` after `sequence`, wrapping from 2^31-1 to 0
/// (`DefaultRecordBatch.incrementSequence`).
pub fn sequence_after(sequence: Sequence, count: i32) -> Sequence {
    if sequence > i32::MAX - count { count - (i32::MAX - sequence) - 1 } else { sequence + count }
}

/// The storage behind every list in messages and logs of one run.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "each holds the lists of its type")]
pub struct Arenas {
    pub payloads: Arena<Payload>,
    pub batches: Arena<Batch>,
    pub produced: Arena<ProducedPartition>,
    pub fetch_partitions: Arena<FetchPartition>,
    pub fetched: Arena<FetchedPartition>,
    pub aborted: Arena<AbortedTransaction>,
    pub markers: Arena<MarkerEntry>,
    pub offsets: Arena<OffsetEntry>,
    pub assignments: Arena<MemberAssignment>,
    /// The cluster's metadata by version; the last is the controller's own.
    pub images: Vec<ClusterImage>,
}

impl Arenas {
    /// Forgets everything and keeps the room for it.
    pub fn clear(&mut self) {
        let Arenas {
            payloads,
            batches,
            produced,
            fetch_partitions,
            fetched,
            aborted,
            markers,
            offsets,
            assignments,
            images,
        } = self;
        payloads.clear();
        batches.clear();
        produced.clear();
        fetch_partitions.clear();
        fetched.clear();
        aborted.clear();
        markers.clear();
        offsets.clear();
        assignments.clear();
        images.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::sequence_after;

    #[test]
    fn sequences_wrap() {
        for (sequence, count, after) in
            [(0, 1, 1), (5, 0, 5), (i32::MAX, 1, 0), (i32::MAX - 1, 3, 1), (i32::MAX, 0, i32::MAX)]
        {
            assert_eq!(sequence_after(sequence, count), after, "{sequence} + {count}");
        }
    }
}
