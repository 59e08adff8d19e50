//! A replica's log, and how appends, markers and truncations change it.

use super::*;
use crate::engine::kafka::record::{Batch, BatchKind, sequence_after};

/// A replica of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replica {
    /// Its log, by offset; begins before `start` when records were deleted.
    pub log: Chunked<LogCell>,
    /// The log start offset.
    pub start: Offset,
    /// The log end offset: that of the next record.
    pub end: Offset,
    /// The high watermark, as this replica knows it.
    pub high_watermark: Offset,
    /// The last stable offset, as this replica knows it.
    pub last_stable_offset: Offset,
    /// The leader epoch that it is in; -1: none yet.
    pub leader_epoch: LeaderEpoch,
    /// It believes that it leads.
    pub leads: bool,
    /// Open transactions: the producer and the offset of its first record.
    pub open: Vec<(ProducerId, Offset)>,
    /// Ended transactions whose marker is not below the high watermark: the offsets of their first record and of
    /// the marker.
    pub(super) ended: Vec<(Offset, Offset)>,
}

impl Replica {
    /// The cells that are there: from the log start offset on.
    pub fn cells(&self) -> impl Iterator<Item = &LogCell> {
        let first = self.log.partition_point(|cell| cell.offset < self.start);
        self.log.iter().skip(first)
    }

    /// How many cells are there, and the newest of them, at most so many: without a walk over the whole log.
    pub fn newest(&self, most: usize) -> (usize, impl Iterator<Item = &LogCell>) {
        let first = self.log.partition_point(|cell| cell.offset < self.start);
        let from = first.max(self.log.len().saturating_sub(most));
        (self.log.len() - first, (from..self.log.len()).filter_map(|place| self.log.get(place)))
    }

    pub(super) fn append(&mut self, batch: &Batch, contents: impl Iterator<Item = Content>) {
        let status = match batch.kind {
            BatchKind::Plain => Status::Plain,
            BatchKind::Transactional => Status::Open,
            BatchKind::Marker { .. } => Status::Marker,
        };
        for (place, content) in contents.enumerate() {
            let sequence = match batch.base_sequence {
                none if none < 0 => none,
                first => sequence_after(first, place as i32),
            };
            self.log.push(LogCell {
                offset: batch.base_offset + place as Offset,
                base_offset: batch.base_offset,
                leader_epoch: batch.leader_epoch,
                producer_id: batch.producer_id,
                producer_epoch: batch.producer_epoch,
                sequence,
                content,
                status,
                further_copy: false,
            });
        }
        self.end = batch.next_offset();
        match batch.kind {
            BatchKind::Transactional if !self.open.iter().any(|open| open.0 == batch.producer_id) => {
                self.open.push((batch.producer_id, batch.base_offset));
            }
            BatchKind::Marker { kind, .. } => self.end_transaction(batch, kind),
            BatchKind::Plain | BatchKind::Transactional => {}
        }
    }

    fn end_transaction(&mut self, marker: &Batch, kind: MarkerKind) {
        let producer_id = marker.producer_id;
        let Some(place) = self.open.iter().position(|open| open.0 == producer_id) else { return };
        let (_, first) = self.open.remove(place);
        self.ended.push((first, marker.base_offset));
        let status = match kind {
            MarkerKind::Commit => Status::Committed,
            MarkerKind::Abort => Status::Aborted,
        };
        for place in self.log.partition_point(|cell| cell.offset < first)..self.log.len() {
            let ends = |cell: &LogCell| cell.producer_id == producer_id && cell.status == Status::Open;
            if self.log.get(place).is_some_and(ends)
                && let Some(cell) = self.log.get_mut(place)
            {
                cell.status = status;
            }
        }
    }

    pub(super) fn truncate(&mut self, to: Offset) {
        // What a lost marker had ended is open again.
        let kept = self.log.partition_point(|cell| cell.offset < to);
        let lost: Vec<LogCell> = self.log.iter().skip(kept).copied().collect();
        self.log.truncate(kept);
        for marker in lost.iter().filter(|cell| cell.status == Status::Marker) {
            self.reopen(marker.producer_id);
        }
        self.open.retain(|open| open.1 < to);
        self.ended.retain(|ended| ended.1 < to);
        self.end = self.end.min(to);
        self.move_high_watermark(self.high_watermark.min(to));
    }

    /// The high watermark moves, and with it the last stable offset: up to the first transaction that is open or
    /// whose marker is not replicated.
    pub(super) fn move_high_watermark(&mut self, to: Offset) {
        self.high_watermark = to;
        self.ended.retain(|ended| ended.1 >= to);
        let unstable = self.open.iter().map(|open| open.1).chain(self.ended.iter().map(|ended| ended.0));
        self.last_stable_offset = unstable.fold(to, Offset::min).max(self.start.min(to));
    }

    /// Opens the transaction that a producer's last marker in the log leaves open.
    fn reopen(&mut self, producer_id: ProducerId) {
        let mut first = None;
        for place in (0..self.log.len()).rev() {
            let Some(cell) = self.log.get(place).filter(|cell| cell.producer_id == producer_id) else {
                continue;
            };
            match cell.status {
                Status::Marker => break,
                Status::Committed | Status::Aborted => {
                    first = Some(cell.offset);
                    if let Some(cell) = self.log.get_mut(place) {
                        cell.status = Status::Open;
                    }
                }
                Status::Plain | Status::Open => {}
            }
        }
        if let Some(first) = first {
            self.open.push((producer_id, first));
        }
    }
}

/// Marks the cells from a place on whose record the log before them holds already.
pub(super) fn mark_copies(replica: &mut Replica, from: usize, records: &Chunked<RecordState>) {
    for place in from..replica.log.len() {
        let Some(LogCell { content: Content::Record(record), .. }) = replica.log.get(place).copied() else {
            continue;
        };
        // What was requested once can't be there twice: the log need not be searched.
        if records.get(record.0 as usize).is_none_or(|state| state.requests < 2) {
            continue;
        }
        let copy = |cell: &LogCell| cell.content == Content::Record(record) && cell.status != Status::Aborted;
        let further_copy = replica.log.iter().take(place).any(copy);
        if let Some(cell) = replica.log.get_mut(place) {
            cell.further_copy = further_copy;
        }
    }
}
