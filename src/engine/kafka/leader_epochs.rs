//! Which leader epoch wrote which part of a log (`LeaderEpochFileCache`): how replicas find out where
//! their logs part (KIP-101, KIP-279).

use super::types::*;

/// The first offset of a leader epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The first offset that its leader gave, or would have given.
    pub start_offset: Offset,
}

/// Epochs with their start offsets; both rise strictly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<EpochEntry>,
}

impl LeaderEpochs {
    /// All entries, oldest first.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The latest epoch known.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// Notes where an epoch starts. Entries that contradict it are dropped; an epoch that is the latest
    /// already keeps its start (`LeaderEpochFileCache.assign`).
    pub fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) {
        if self.latest() == Some(epoch) && self.entries.last().is_some_and(|e| start_offset >= e.start_offset)
        {
            return;
        }
        while self.entries.last().is_some_and(|e| e.epoch >= epoch || e.start_offset >= start_offset) {
            self.entries.pop();
        }
        self.entries.push(EpochEntry { epoch, start_offset });
    }

    /// The largest known epoch not above `epoch`, with the offset at which it ended; none if this log
    /// knows nothing of so late an epoch (`LeaderEpochFileCache.endOffsetFor`).
    pub fn end_offset(&self, epoch: LeaderEpoch, log_end_offset: Offset) -> Option<(LeaderEpoch, Offset)> {
        if self.latest() == Some(epoch) {
            return Some((epoch, log_end_offset));
        }
        let higher = self.entries.iter().position(|entry| entry.epoch > epoch)?;
        let end_offset = self.entries[higher].start_offset;
        match higher.checked_sub(1) {
            Some(floor) => Some((self.entries[floor].epoch, end_offset)),
            None => Some((epoch, end_offset)),
        }
    }

    /// The epoch of the record at an offset.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.entries.iter().rev().find(|entry| entry.start_offset <= offset).map(|entry| entry.epoch)
    }

    /// Forgets the epochs that start at `end_offset` or later.
    pub fn truncate_from_end(&mut self, end_offset: Offset) {
        while self.entries.last().is_some_and(|entry| entry.start_offset >= end_offset) {
            self.entries.pop();
        }
    }

    /// Forgets what lies before `start_offset`; the epoch that holds it starts there from now on.
    pub fn truncate_from_start(&mut self, start_offset: Offset) {
        let Some(holder) = self.entries.iter().rposition(|entry| entry.start_offset <= start_offset) else {
            return;
        };
        self.entries[holder].start_offset = start_offset;
        self.entries.drain(..holder);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Conformance row 35 (`PartitionTest.testLastFetchedOffsetValidation`).
    fn row_35() -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        for (epoch, start_offset) in [(0, 0), (3, 2), (4, 8), (7, 13), (9, 14), (10, 17)] {
            epochs.assign(epoch, start_offset);
        }
        epochs
    }

    #[test]
    fn end_offsets() {
        for (epoch, end) in [
            (0, Some((0, 2))),
            (2, Some((0, 2))),
            (3, Some((3, 8))),
            (5, Some((4, 13))),
            (6, Some((4, 13))),
            (7, Some((7, 14))),
            (9, Some((9, 17))),
            (10, Some((10, 17))),
            (11, None),
        ] {
            assert_eq!(row_35().end_offset(epoch, 17), end, "epoch {epoch}");
        }
    }

    #[test]
    fn deleted_records_take_their_epochs_along() {
        let mut epochs = row_35();
        epochs.truncate_from_start(5);
        assert_eq!(epochs.end_offset(2, 17), Some((2, 5)), "row 35, after log start offset 5");
        assert_eq!(epochs.end_offset(3, 17), Some((3, 8)));
    }

    #[test]
    fn an_epoch_without_records_gives_way() {
        let mut epochs = LeaderEpochs::default();
        epochs.assign(0, 0);
        epochs.assign(1, 0);
        assert_eq!(epochs.entries(), [EpochEntry { epoch: 1, start_offset: 0 }]);
        epochs.assign(1, 4);
        assert_eq!(epochs.entries(), [EpochEntry { epoch: 1, start_offset: 0 }]);
        assert_eq!(epochs.end_offset(0, 4), Some((0, 0)));
    }
}
