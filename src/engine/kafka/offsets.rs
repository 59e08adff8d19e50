//! Committed offsets at the group coordinator (`OffsetMetadataManager.java`; kafka-semantics 3.8, 4.4).
//!
//! What is appended to `__consumer_offsets` takes effect when the high watermark passes it; readers see
//! only that. A transactional offset waits for its transaction's marker, and then becomes current only
//! if it was written later than the one that is current.

use super::event::Event;
use super::out::Out;
use super::record::MarkerKind;
use super::types::*;
use crate::engine::sim::time::{Span, Time};
use std::collections::VecDeque;

/// An offset of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Committed {
    group: GroupId,
    partition: PartitionId,
    offset: Offset,
    leader_epoch: LeaderEpoch,
    /// Where in `__consumer_offsets` it was written.
    record_offset: Offset,
    committed_at: Time,
}

/// A change to the offsets, as the log orders them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// An offset was committed, in a transaction of this producer if there is one.
    Commit {
        /// Whose.
        group: GroupId,
        /// Of what.
        partition: PartitionId,
        /// The next offset to read; -1: the offset is forgotten.
        offset: Offset,
        /// The leader epoch of the record before it; -1: unknown.
        leader_epoch: LeaderEpoch,
        /// When it was committed.
        committed_at: Time,
        /// The producer whose transaction it belongs to; none: to no transaction.
        transaction_of: Option<ProducerId>,
    },
    /// A transaction ended.
    Marker {
        /// Whose.
        producer_id: ProducerId,
        /// How.
        kind: MarkerKind,
    },
}

/// All groups' offsets.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    committed: Vec<Committed>,
    pending: Vec<(ProducerId, Committed)>,
    /// Appended, not yet below the high watermark: with the offset in `__consumer_offsets`.
    uncommitted: VecDeque<(Offset, Change)>,
}

impl Offsets {
    /// Forgets everything and keeps the capacity.
    pub fn clear(&mut self) {
        self.committed.clear();
        self.pending.clear();
        self.uncommitted.clear();
    }

    /// A change was appended at an offset of `__consumer_offsets`.
    pub fn appended(&mut self, record_offset: Offset, change: Change) {
        self.uncommitted.push_back((record_offset, change));
    }

    /// Where the last change that has not taken effect was appended.
    pub fn last_uncommitted(&self) -> Option<Offset> {
        self.uncommitted.back().map(|(record_offset, _)| *record_offset)
    }

    /// Everything below the high watermark takes effect.
    pub fn advance(&mut self, high_watermark: Offset, out: &mut Out) {
        while let Some(&(record_offset, change)) = self.uncommitted.front() {
            if record_offset >= high_watermark {
                return;
            }
            self.uncommitted.pop_front();
            self.apply(record_offset, change, out);
        }
    }

    /// The committed offset and its leader epoch.
    pub fn committed(&self, group: GroupId, partition: PartitionId) -> Option<(Offset, LeaderEpoch)> {
        self.committed
            .iter()
            .find(|committed| (committed.group, committed.partition) == (group, partition))
            .map(|committed| (committed.offset, committed.leader_epoch))
    }

    /// The committed offsets of a group.
    pub fn committed_of(&self, group: GroupId) -> impl Iterator<Item = (PartitionId, Offset)> + '_ {
        let of_group = self.committed.iter().filter(move |committed| committed.group == group);
        of_group.map(|committed| (committed.partition, committed.offset))
    }

    /// The offsets of a group that wait for their transaction's end, each with its producer.
    pub fn pending_of(&self, group: GroupId) -> impl Iterator<Item = (PartitionId, Offset, ProducerId)> + '_ {
        let of_group = self.pending.iter().filter(move |(_, pending)| pending.group == group);
        of_group.map(|(producer_id, pending)| (pending.partition, pending.offset, *producer_id))
    }

    /// Whether a transaction that is not yet decided has an offset for this partition
    /// (`hasPendingTransactionalOffsets`).
    pub fn is_unstable(&self, group: GroupId, partition: PartitionId) -> bool {
        self.pending.iter().any(|(_, pending)| (pending.group, pending.partition) == (group, partition))
    }

    /// The next offset that has been kept for longer than `retention` since `base`, or since its commit
    /// if there is no base (`cleanupExpiredOffsets`). What a transaction may still change is kept.
    pub fn next_expired(
        &self,
        group: GroupId,
        base: Option<Time>,
        retention: Span,
        now: Time,
    ) -> Option<PartitionId> {
        let is_under_way = |partition| {
            self.uncommitted.iter().any(|(_, change)| match *change {
                Change::Commit { group: of, partition: at, .. } => (of, at) == (group, partition),
                Change::Marker { .. } => false,
            })
        };
        self.committed
            .iter()
            .filter(|committed| committed.group == group)
            .filter(|committed| base.unwrap_or(committed.committed_at) + retention <= now)
            .map(|committed| committed.partition)
            .find(|partition| !self.is_unstable(group, *partition) && !is_under_way(*partition))
    }

    /// The groups that have offsets, the one after `last` first found.
    pub fn next_group(&self, last: Option<GroupId>) -> Option<GroupId> {
        self.committed.iter().map(|committed| committed.group).filter(|group| Some(*group) > last).min()
    }

    fn apply(&mut self, record_offset: Offset, change: Change, out: &mut Out) {
        match change {
            Change::Commit { group, partition, offset, leader_epoch, committed_at, transaction_of } => {
                let new = Committed { group, partition, offset, leader_epoch, record_offset, committed_at };
                match transaction_of {
                    None => self.make_current(new, out),
                    Some(producer_id) => {
                        self.pending.retain(|(id, old)| {
                            (*id, old.group, old.partition) != (producer_id, group, partition)
                        });
                        self.pending.push((producer_id, new));
                        out.emit_as_cause(Event::OffsetPending { group, partition, offset, producer_id });
                    }
                }
            }
            Change::Marker { producer_id, kind } => {
                for index in 0..self.pending.len() {
                    let (id, pending) = self.pending[index];
                    let newer = !self.committed.iter().any(|committed| {
                        (committed.group, committed.partition) == (pending.group, pending.partition)
                            && committed.record_offset > pending.record_offset
                    });
                    if id != producer_id {
                        continue;
                    }
                    let Committed { group, partition, .. } = pending;
                    out.emit(Event::OffsetDecided { group, partition, producer_id });
                    if kind == MarkerKind::Commit && newer {
                        self.make_current(pending, out);
                    }
                }
                self.pending.retain(|(id, _)| *id != producer_id);
            }
        }
    }

    /// There is no rule that offsets only grow: the later commit counts.
    fn make_current(&mut self, new: Committed, out: &mut Out) {
        let Committed { group, partition, offset, .. } = new;
        let place = self.committed.iter_mut().find(|old| (old.group, old.partition) == (group, partition));
        match place {
            Some(old) => *old = new,
            None => self.committed.push(new),
        }
        self.committed.retain(|committed| committed.offset >= 0);
        out.emit(Event::OffsetCommitted { group, partition, offset });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::config::ClusterConfig;
    use crate::engine::kafka::testing;

    const GROUP: GroupId = GroupId(0);
    const PARTITION: PartitionId = PartitionId(2);

    fn commit(offset: Offset, transaction_of: Option<ProducerId>) -> Change {
        Change::Commit {
            group: GROUP,
            partition: PARTITION,
            offset,
            leader_epoch: -1,
            committed_at: Time(1_000_000),
            transaction_of,
        }
    }

    fn marker(producer_id: ProducerId, kind: MarkerKind) -> Change {
        Change::Marker { producer_id, kind }
    }

    /// After the changes, in the order of the log: the committed offset, and whether it is unstable.
    /// OffsetMetadataManagerTest.testFetchOffsetsWithPendingTransactionalOffsets; kafka-semantics 3.8, 4.4.
    #[test]
    fn offsets_take_effect_in_the_order_of_the_log() {
        use MarkerKind::{Abort, Commit};
        let rows: [(&str, &[Change], Option<Offset>, bool); 8] = [
            ("nothing", &[], None, false),
            ("no monotonic rule", &[commit(10, None), commit(5, None)], Some(5), false),
            ("pending", &[commit(1, None), commit(4, Some(7))], Some(1), true),
            ("committed", &[commit(1, None), commit(4, Some(7)), marker(7, Commit)], Some(4), false),
            ("aborted", &[commit(1, None), commit(4, Some(7)), marker(7, Abort)], Some(1), false),
            ("another's marker", &[commit(4, Some(7)), marker(8, Commit)], None, true),
            ("only if newer", &[commit(4, Some(7)), commit(9, None), marker(7, Commit)], Some(9), false),
            (
                "the last of one transaction",
                &[commit(4, Some(7)), commit(6, Some(7)), marker(7, Commit)],
                Some(6),
                false,
            ),
        ];
        for (what, changes, committed, unstable) in rows {
            let mut stage = testing::stage(testing::setup(ClusterConfig::default()));
            let mut out = stage.out(Node::Broker(BrokerId(1)), None);
            let mut offsets = Offsets::default();
            for (at, change) in changes.iter().enumerate() {
                offsets.appended(at as i64, *change);
            }
            offsets.advance(changes.len() as i64, &mut out);
            assert_eq!(offsets.committed(GROUP, PARTITION).map(|found| found.0), committed, "{what}");
            assert_eq!(offsets.is_unstable(GROUP, PARTITION), unstable, "{what}");
        }
    }

    /// kafka-semantics 4.4: readers see only what is below the high watermark.
    #[test]
    fn what_is_above_the_high_watermark_is_not_seen() {
        let mut stage = testing::stage(testing::setup(ClusterConfig::default()));
        let mut out = stage.out(Node::Broker(BrokerId(1)), None);
        let mut offsets = Offsets::default();
        offsets.appended(3, commit(10, None));
        for (high_watermark, committed) in [(3, None), (4, Some(10))] {
            offsets.advance(high_watermark, &mut out);
            assert_eq!(offsets.committed(GROUP, PARTITION).map(|found| found.0), committed);
        }
    }

    /// kafka-semantics 4.8: after the group became empty, or after the commit if it never had members; a
    /// pending transaction keeps the offset.
    #[test]
    fn offsets_expire() {
        let rows = [
            (None, false, 10, false),
            (None, false, 11, true),
            (Some(Time(5_000_000)), false, 14, false),
            (Some(Time(5_000_000)), false, 15, true),
            (None, true, 11, false),
        ];
        for (base, is_pending, now, expires) in rows {
            let mut stage = testing::stage(testing::setup(ClusterConfig::default()));
            let mut out = stage.out(Node::Broker(BrokerId(1)), None);
            let mut offsets = Offsets::default();
            offsets.appended(0, commit(10, None));
            if is_pending {
                offsets.appended(1, commit(12, Some(7)));
            }
            offsets.advance(2, &mut out);
            let now = Time(now * 1_000_000);
            let expired = offsets.next_expired(GROUP, base, Span::seconds(10), now);
            assert_eq!(expired, expires.then_some(PARTITION), "{base:?} at {now}");
            offsets.appended(2, commit(-1, None));
            assert_eq!(offsets.next_expired(GROUP, base, Span::ZERO, now), None, "its end is under way");
            offsets.advance(3, &mut out);
            assert_eq!(offsets.committed(GROUP, PARTITION), None);
        }
    }
}
