//! One replica's copy of a partition (`UnifiedLog`): batches in the order of their offsets, and what
//! is derived from them.
//!
//! Three fates are kept apart: what a process keeps in memory (producer state, high watermark), what
//! lies in the page cache (all that was written), and what was flushed to disk.

use super::error::ErrorCode;
use super::leader_epochs::LeaderEpochs;
use super::message::AbortedTransaction;
use super::producer_state::*;
pub use super::producer_state::{Origin, VerificationGuard};
use super::record::{Batch, MarkerKind};
use super::types::*;
use crate::engine::sim::time::{Span, Time};

/// The most bytes of one partition in an answer to a fetch (`max.partition.fetch.bytes`,
/// `replica.fetch.max.bytes`); the first batch is always given.
pub const FETCH_MAX_BYTES: u32 = 1_048_576;

/// What an append came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// The offset of the batch's first record; of a duplicate: that of the original.
    pub base_offset: Offset,
    /// The offset after its last record.
    pub next_offset: Offset,
    /// The batch was there already: nothing was written.
    pub duplicate: bool,
}

/// An entry of the transaction index (`AbortedTxn`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedEntry {
    /// Whose transaction.
    pub producer_id: ProducerId,
    /// Its first record's offset.
    pub first_offset: Offset,
    /// Its marker's offset.
    pub last_offset: Offset,
    /// The last stable offset once it had ended.
    pub last_stable_offset: Offset,
}

/// A producer snapshot file: the state below an offset.
#[derive(Clone, Debug)]
struct Snapshot {
    offset: Offset,
    producers: Vec<ProducerState>,
}

/// What lies in files: it survives the process, and a power loss as far as it was flushed.
#[derive(Clone, Debug, Default)]
struct Files {
    batches: Vec<Batch>,
    /// When each batch was written here.
    written_at: Vec<Time>,
    log_start_offset: Offset,
    log_end_offset: Offset,
    /// Everything below was flushed (`recoveryPoint`).
    flushed_offset: Offset,
    leader_epochs: LeaderEpochs,
    aborted: Vec<AbortedEntry>,
    snapshots: Vec<Snapshot>,
    high_watermark_checkpoint: Offset,
}

/// A replica's copy of a partition.
#[derive(Clone, Debug, Default)]
pub struct PartitionLog {
    files: Files,
    producers: ProducerStates,
    high_watermark: Offset,
}

impl PartitionLog {
    /// The batches, in the order of their offsets. Those before the log start offset may still be there.
    pub fn batches(&self) -> &[Batch] {
        &self.files.batches
    }

    /// The offset that the next record gets (LEO).
    pub fn log_end_offset(&self) -> Offset {
        self.files.log_end_offset
    }

    /// The first offset that can be read.
    pub fn log_start_offset(&self) -> Offset {
        self.files.log_start_offset
    }

    /// What is below is on every in-sync replica, as far as this replica knows.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Where the earliest undecided transaction begins; see [`ProducerStates::first_unstable_offset`].
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        self.producers.first_unstable_offset()
    }

    /// What read_committed readers see is below (kafka-semantics 2.4).
    pub fn last_stable_offset(&self) -> Offset {
        match self.first_unstable_offset() {
            Some(first_unstable) => first_unstable
                .min(self.high_watermark)
                .max(self.files.log_start_offset.min(self.high_watermark)),
            None => self.high_watermark,
        }
    }

    /// The producers known here.
    pub fn producers(&self) -> &ProducerStates {
        &self.producers
    }

    /// The same, to begin a verification.
    pub fn producers_mut(&mut self) -> &mut ProducerStates {
        &mut self.producers
    }

    /// The leader epochs known here.
    pub fn leader_epochs(&self) -> &LeaderEpochs {
        &self.files.leader_epochs
    }

    /// The transaction index.
    pub fn aborted_transactions(&self) -> &[AbortedEntry] {
        &self.files.aborted
    }

    /// Notes that a leader epoch begins at the log's end (`UnifiedLog.assignEpochStartOffset`).
    pub fn begin_leader_epoch(&mut self, epoch: LeaderEpoch) {
        self.files.leader_epochs.assign(epoch, self.files.log_end_offset);
    }

    /// Appends a batch as the leader: size, duplicate, verification, epoch and sequence are checked in
    /// this order; nothing is written on an error (kafka-semantics 2.3).
    ///
    /// # Errors
    /// MESSAGE_TOO_LARGE and those of [`ProducerStates::validate`].
    #[allow(clippy::too_many_arguments, reason = "what the order of checks needs")]
    pub fn append_as_leader(
        &mut self,
        mut batch: Batch,
        leader_epoch: LeaderEpoch,
        origin: Origin,
        guard: VerificationGuard,
        verification_enabled: bool,
        max_message_bytes: u32,
        now: Time,
    ) -> Result<AppendInfo, ErrorCode> {
        if origin == Origin::Client && batch.bytes > max_message_bytes {
            return Err(ErrorCode::MessageTooLarge);
        }
        batch.base_offset = self.files.log_end_offset;
        batch.leader_epoch = leader_epoch;
        if batch.producer_id != NO_PRODUCER_ID {
            if origin == Origin::Client
                && let Some(original) = self.producers.duplicate_of(&batch)
            {
                return Ok(AppendInfo {
                    base_offset: original.first_offset,
                    next_offset: original.last_offset + 1,
                    duplicate: true,
                });
            }
            self.producers.validate(&batch, origin, guard, verification_enabled)?;
        }
        self.write(batch, now);
        Ok(AppendInfo { base_offset: batch.base_offset, next_offset: batch.next_offset(), duplicate: false })
    }

    /// A defect for tests: forgets what it knows of a producer outside transactions.
    pub(super) fn forget_duplicates(&mut self, producer_id: ProducerId) {
        self.producers.forget(producer_id);
    }

    /// Appends a batch as the leader has it. Nothing is checked.
    pub fn append_as_follower(&mut self, batch: Batch, now: Time) {
        self.write(batch, now);
    }

    fn write(&mut self, batch: Batch, now: Time) {
        let files = &mut self.files;
        if files.leader_epochs.latest().is_none_or(|latest| batch.leader_epoch > latest) {
            files.leader_epochs.assign(batch.leader_epoch, batch.base_offset);
        }
        files.batches.push(batch);
        files.written_at.push(now);
        files.log_end_offset = batch.next_offset();
        if let Some(completed) = self.producers.update(&batch, now) {
            if completed.kind == MarkerKind::Abort {
                files.aborted.push(AbortedEntry {
                    producer_id: completed.producer_id,
                    first_offset: completed.first_offset,
                    last_offset: completed.last_offset,
                    last_stable_offset: self.producers.last_stable_offset_after(&completed),
                });
            }
            self.producers.complete(completed);
        }
    }

    /// Moves the high watermark, within the log; returns whether it moved.
    pub fn set_high_watermark(&mut self, to: Offset) -> bool {
        let to = to.max(self.files.log_start_offset).min(self.files.log_end_offset);
        if to == self.high_watermark {
            return false;
        }
        self.high_watermark = to;
        self.producers.on_high_watermark(to);
        true
    }

    /// The batches that hold the offsets from `from` to below `below`, at most [`FETCH_MAX_BYTES`].
    pub fn read(&self, from: Offset, below: Offset) -> &[Batch] {
        let batches = &self.files.batches;
        // Nearly always the last batch is wanted.
        let first = match batches.last() {
            Some(last) if last.base_offset <= from && from < last.next_offset() => batches.len() - 1,
            _ => batches.partition_point(|batch| batch.next_offset() <= from),
        };
        let mut bytes = 0u32;
        let count = batches[first..]
            .iter()
            .enumerate()
            .take_while(|(index, batch)| {
                bytes = bytes.saturating_add(batch.bytes);
                batch.base_offset < below && (*index == 0 || bytes <= FETCH_MAX_BYTES)
            })
            .count();
        &batches[first..first + count]
    }

    /// The aborted transactions that a read_committed reader of [`from`, `below`) must know
    /// (`TransactionIndex.collectAbortedTxns`).
    pub fn aborted_in(&self, from: Offset, below: Offset) -> impl Iterator<Item = AbortedTransaction> + '_ {
        self.files
            .aborted
            .iter()
            .filter(move |entry| entry.last_offset >= from && entry.first_offset < below)
            .map(|entry| AbortedTransaction {
                producer_id: entry.producer_id,
                first_offset: entry.first_offset,
            })
    }

    /// See [`LeaderEpochs::end_offset`].
    pub fn end_offset(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        self.files.leader_epochs.end_offset(epoch, self.files.log_end_offset)
    }

    /// Cuts the log off at an offset, with all that was derived from the rest; returns whether batches
    /// went (`UnifiedLog.truncateTo`).
    pub fn truncate_to(&mut self, offset: Offset, now: Time, producer_expiration: Span) -> bool {
        let files = &mut self.files;
        // A conflicting epoch may stand at the very end even if no batch is beyond it.
        files.leader_epochs.truncate_from_end(offset);
        if offset >= files.log_end_offset {
            return false;
        }
        let begin = files.batches.first().map_or(offset, |batch| batch.base_offset.min(offset));
        let keep = files.batches.partition_point(|batch| batch.next_offset() <= offset);
        files.batches.truncate(keep);
        files.written_at.truncate(keep);
        // Without a batch left the log is empty from where it began. Records that were deleted before do not keep it from
        // ending earlier (`UnifiedLog.truncateTo`).
        let end = files.batches.last().map_or(begin, Batch::next_offset);
        files.log_start_offset = files.log_start_offset.min(end);
        files.log_end_offset = end;
        files.flushed_offset = files.flushed_offset.min(end);
        files.aborted.retain(|entry| entry.last_offset < end);
        files.snapshots.retain(|snapshot| snapshot.offset <= end);
        files.high_watermark_checkpoint = files.high_watermark_checkpoint.min(end);
        self.high_watermark = self.high_watermark.min(end);
        self.rebuild_producers(now, producer_expiration);
        true
    }

    /// Drops everything and starts again at an offset (`UnifiedLog.truncateFullyAndStartAt`).
    pub fn truncate_fully_and_start_at(&mut self, offset: Offset) {
        *self = PartitionLog::default();
        self.files.log_start_offset = offset;
        self.files.log_end_offset = offset;
        self.files.high_watermark_checkpoint = offset;
        self.high_watermark = offset;
    }

    /// Records below an offset can no longer be read; producer state stays
    /// (`UnifiedLog.maybeIncrementLogStartOffset`). Returns whether the log start moved.
    pub fn raise_log_start(&mut self, offset: Offset) -> bool {
        if offset <= self.files.log_start_offset {
            return false;
        }
        self.files.log_start_offset = offset;
        self.files.leader_epochs.truncate_from_start(offset);
        self.files.aborted.retain(|entry| entry.last_offset >= offset);
        self.high_watermark = self.high_watermark.max(offset).min(self.files.log_end_offset);
        true
    }

    /// Everything written so far is on disk.
    pub fn flush(&mut self) {
        self.files.flushed_offset = self.files.log_end_offset;
    }

    /// How many records were written since the last flush.
    pub fn unflushed(&self) -> i64 {
        self.files.log_end_offset - self.files.flushed_offset
    }

    /// `replica.high.watermark.checkpoint.interval.ms`
    pub fn checkpoint_high_watermark(&mut self) {
        self.files.high_watermark_checkpoint = self.high_watermark;
    }

    /// The process ends in good order: everything is flushed, a snapshot of the producers is written.
    pub fn close_cleanly(&mut self) {
        self.flush();
        self.checkpoint_high_watermark();
        self.write_snapshot();
    }

    /// A new process loads what lies in the files. The producers come from the newest snapshot and what
    /// was written after it; without a clean shutdown every snapshot is made anew first
    /// (`LogLoader.recoverSegment`), so either way only the last batch of each producer is remembered.
    pub fn load(&mut self, clean: bool, now: Time, producer_expiration: Span) {
        self.high_watermark = self
            .files
            .high_watermark_checkpoint
            .max(self.files.log_start_offset)
            .min(self.files.log_end_offset);
        self.producers = ProducerStates::default();
        if !clean {
            self.files.snapshots.clear();
            self.rebuild_producers(now, producer_expiration);
            self.write_snapshot();
        }
        self.rebuild_producers(now, producer_expiration);
    }

    /// A power loss: of what was written only the first `records` records (markers count) are left, or
    /// what was flushed if that is more. Returns where that ends. If it was all deleted before, the log is then empty
    /// and begins anew at its start (`LogLoader.load`).
    pub fn keep_first_records(&mut self, records: u32, now: Time, producer_expiration: Span) -> Offset {
        let first = self.files.batches.first().map_or(self.files.log_start_offset, |b| b.base_offset);
        let keep = (first + i64::from(records)).max(self.files.flushed_offset);
        // The start is on disk apart from the log (`log-start-offset-checkpoint`).
        let start = self.files.log_start_offset;
        self.truncate_to(keep, now, producer_expiration);
        self.files.log_start_offset = start;
        let left = self.files.log_end_offset;
        if left < start {
            self.truncate_fully_and_start_at(start);
        }
        left
    }

    fn write_snapshot(&mut self) {
        let offset = self.files.log_end_offset;
        self.files.snapshots.retain(|snapshot| snapshot.offset != offset);
        self.files.snapshots.push(Snapshot { offset, producers: self.producers.snapshot() });
    }

    fn rebuild_producers(&mut self, now: Time, producer_expiration: Span) {
        let files = &self.files;
        let newest = files.snapshots.iter().max_by_key(|snapshot| snapshot.offset);
        let (from, producers) = newest.map_or((0, [].as_slice()), |s| (s.offset, s.producers.as_slice()));
        self.producers.reload(producers, now, producer_expiration);
        let first = files.batches.partition_point(|batch| batch.next_offset() <= from);
        for (batch, written_at) in files.batches[first..].iter().zip(&files.written_at[first..]) {
            if let Some(completed) = self.producers.update(batch, *written_at) {
                self.producers.complete(completed);
            }
        }
        self.producers.on_high_watermark(self.high_watermark);
    }

    /// Forgets idle producers; see [`ProducerStates::expire`].
    pub fn expire_producers(&mut self, now: Time, expiration: Span, expired: impl FnMut(ProducerId)) {
        self.producers.expire(now, expiration, expired);
    }
}

#[cfg(test)]
mod tests;
