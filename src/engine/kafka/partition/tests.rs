//! Conformance rows 29 to 33, 36, 37 (`PartitionTest`): the high watermark and the ISR on a leader.

use super::*;
use crate::engine::kafka::producer_state::{Origin, VerificationGuard};
use crate::engine::kafka::record::{Batch, BatchKind, Payload};
use crate::engine::kafka::testing;
use crate::engine::sim::arena::Arena;

const LEADER: BrokerId = BrokerId(1);
const F1: BrokerId = BrokerId(2);
const F2: BrokerId = BrokerId(3);
const LAG: Span = Span::seconds(30);

/// B1 leads one partition of B1, B2, B3.
struct Lab {
    partition: Partition,
    image: ClusterImage,
    payloads: Arena<Payload>,
    now: Time,
}

impl Lab {
    fn new(min_insync_replicas: usize, isr: &[BrokerId]) -> Lab {
        let mut image = testing::image([(Some(LEADER), 0); 4], &[1, 2, 3]);
        image.partitions[2].isr = isr.iter().copied().collect();
        let mut partition = Partition::new(PartitionId::DEFAULT, LEADER);
        partition.min_insync_replicas = min_insync_replicas;
        assert!(partition.make_leader(&image, Time::ZERO));
        Lab { partition, image, payloads: Arena::default(), now: Time::ZERO }
    }

    fn append(&mut self, count: u32) {
        let batch = Batch {
            partition: self.partition.id,
            base_offset: -1,
            leader_epoch: -1,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: -1,
            kind: BatchKind::Plain,
            records: self.payloads.list((0..count).map(|n| Payload::Record(RecordId(n)))),
            bytes: 100,
        };
        let (epoch, guard) = (self.partition.leader_epoch, VerificationGuard::SENTINEL);
        self.partition
            .log
            .append_as_leader(batch, epoch, Origin::Client, guard, true, u32::MAX, self.now)
            .unwrap();
    }

    /// A follower fetches; returns whether it is proposed for the ISR.
    fn fetch(&mut self, follower: BrokerId, offset: Offset) -> bool {
        if self.partition.credit_fetch(follower, offset, 0, 1, self.now) {
            self.partition.increment_high_watermark(&self.image, self.now, LAG);
        }
        self.partition.propose_expansion(follower, &self.image)
    }

    /// The controller confirms what is proposed.
    fn confirm(&mut self) {
        self.partition.isr = self.partition.proposed_isr().unwrap();
        self.partition.pending_isr = None;
        self.partition.increment_high_watermark(&self.image, self.now, LAG);
    }

    fn high_watermark(&self) -> Offset {
        self.partition.log.high_watermark()
    }
}

/// PartitionTest.testHighWatermarkAdvanceShouldNotAdvanceWhenUnderMinISR.
#[test]
fn row_29_high_watermark_waits_for_min_isr() {
    let mut lab = Lab::new(3, &[LEADER, F1]);
    lab.append(10);
    lab.fetch(F1, 10);
    assert!(lab.fetch(F2, 10));
    assert_eq!((lab.partition.maximal_isr().len(), lab.high_watermark()), (3, 0));
    lab.confirm();
    assert_eq!(lab.high_watermark(), 10);
}

/// PartitionTest.testMaybeShrinkIsr.
#[test]
fn row_30_shrink_counts_once_it_is_confirmed() {
    let mut lab = Lab::new(1, &[LEADER, F1, F2]);
    lab.append(10);
    lab.fetch(F1, 10);
    assert!(!lab.partition.propose_shrink(lab.now, LAG), "at the start");
    lab.now = Time::ZERO + LAG + Span::millis(1);
    assert!(lab.partition.propose_shrink(lab.now, LAG));
    assert_eq!((lab.partition.isr.len(), lab.partition.maximal_isr().len()), (3, 3));
    assert_eq!(lab.high_watermark(), 0);
    assert!(!lab.partition.propose_shrink(lab.now, LAG), "one proposal at a time");
    lab.confirm();
    assert_eq!((lab.partition.isr.to_string().as_str(), lab.high_watermark()), ("B1,B2", 10));
}

/// PartitionTest.testShouldNotShrinkIsrIfPreviousFetchIsCaughtUp.
#[test]
fn row_31_caught_up_to_what_the_previous_fetch_saw() {
    let mut lab = Lab::new(1, &[LEADER, F1]);
    lab.append(10);
    let first_fetch = Time::ZERO + Span::seconds(5);
    lab.now = first_fetch;
    lab.fetch(F1, 5);
    assert_eq!(lab.partition.followers[F1.index()].last_caught_up, Some(Time::ZERO));
    assert_eq!(lab.high_watermark(), 5);
    lab.append(5);
    lab.now = first_fetch + Span::millis(5001);
    lab.fetch(F1, 10);
    assert_eq!(lab.partition.followers[F1.index()].last_caught_up, Some(first_fetch));
    assert_eq!(lab.high_watermark(), 10);
    assert!(!lab.partition.propose_shrink(first_fetch + LAG, LAG));
    assert!(lab.partition.propose_shrink(first_fetch + LAG + Span::micros(1), LAG));
}

/// PartitionTest.testIsrExpansion.
#[test]
fn row_32_expansion() {
    let mut lab = Lab::new(1, &[LEADER]);
    lab.append(10);
    lab.partition.increment_high_watermark(&lab.image, lab.now, LAG);
    assert_eq!(lab.high_watermark(), 10);
    assert!(!lab.fetch(F1, 3));
    assert!(lab.fetch(F1, 10));
    assert_eq!((lab.partition.isr.len(), lab.partition.maximal_isr().len()), (1, 2));
    assert!(!lab.fetch(F1, 10), "one proposal at a time");
    lab.confirm();
    assert_eq!(lab.partition.isr.to_string(), "B1,B2");
}

/// PartitionTest.testFollowerDoesNotJoinISRUntilCaughtUpToOffsetWithinCurrentLeaderEpoch.
#[test]
fn row_33_followers_reach_the_leaders_epoch_first() {
    let mut lab = Lab::new(2, &[LEADER, F1]);
    lab.append(5);
    lab.image.partitions[2].leader_epoch = 1;
    lab.image.partitions[2].partition_epoch = 1;
    assert!(lab.partition.make_leader(&lab.image, lab.now));
    assert_eq!(lab.partition.leader_epoch_start_offset, 5);
    assert_eq!(lab.high_watermark(), 0);
    assert!(!lab.fetch(F2, 3), "above the high watermark, below the epoch's start");
    assert!(lab.fetch(F2, 5));
}

/// PartitionTest.testAlterIsrLeaderAndIsrRace.
#[test]
fn row_36_new_metadata_ends_a_proposal() {
    let mut lab = Lab::new(1, &[LEADER]);
    assert!(lab.fetch(F1, 0));
    lab.image.partitions[2].leader_epoch = 1;
    lab.image.partitions[2].partition_epoch = 1;
    lab.image.partitions[2].leader = Some(F1);
    assert!(lab.partition.make_follower(&lab.image));
    assert_eq!((lab.partition.pending_isr, lab.partition.is_leader()), (None, false));
    assert!(!lab.partition.make_follower(&lab.image), "the same metadata twice");
}

/// PartitionTest.testIsrNotExpandedIfReplicaIsFencedOrShutdown,
/// testHighWatermarkIncreasesWithFencedOrShutdownFollower.
#[test]
fn row_37_ineligible_followers_neither_join_nor_hold_back() {
    let fenced: fn(&mut ClusterImage) = |image| image.brokers[F2.index()].fenced = true;
    let stopping: fn(&mut ClusterImage) = |image| image.brokers[F2.index()].in_controlled_shutdown = true;
    let restarted: fn(&mut ClusterImage) = |image| image.brokers[F2.index()].epoch = 9;
    for (what, change) in [("fenced", fenced), ("stopping", stopping), ("other broker epoch", restarted)] {
        let mut lab = Lab::new(1, &[LEADER, F1]);
        assert!(lab.partition.pending_isr.is_none());
        lab.fetch(F2, 0);
        lab.partition.pending_isr = None;
        change(&mut lab.image);
        lab.append(10);
        assert!(!lab.fetch(F2, 5), "{what}");
        lab.fetch(F1, 10);
        assert_eq!(lab.high_watermark(), 10, "{what}");
        assert!(!lab.fetch(F2, 10), "{what}");
    }
    let mut lab = Lab::new(1, &[LEADER, F1]);
    lab.fetch(F2, 0);
    lab.partition.pending_isr = None;
    lab.append(10);
    lab.fetch(F2, 5);
    lab.fetch(F1, 10);
    assert_eq!(lab.high_watermark(), 5, "an eligible follower that is about to join is waited for");
}
