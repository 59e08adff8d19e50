//! Conformance rows 1 to 28 (`ProducerStateManagerTest`, `UnifiedLogTest`, `LogLoaderTest`): facts about
//! one replica's log.

use super::*;
use crate::engine::kafka::record::{BatchKind, Payload};
use crate::engine::sim::arena::Arena;
use ErrorCode::{
    InvalidProducerEpoch, InvalidTxnState, MessageTooLarge, OutOfOrderSequenceNumber,
    TransactionCoordinatorFenced,
};

const DAY: Span = Span::seconds(86_400);
const P: ProducerId = 7;

/// A log, the records that batches hold, and a clock.
struct Lab {
    log: PartitionLog,
    payloads: Arena<Payload>,
    now: Time,
    leader_epoch: LeaderEpoch,
    transaction_version: u8,
}

/// Whether a step succeeds: the offset of its batch, or an error.
type Outcome = Result<Offset, ErrorCode>;

impl Lab {
    fn new() -> Lab {
        let (payloads, now) = (Arena::default(), Time::ZERO);
        Lab { log: PartitionLog::default(), payloads, now, leader_epoch: 0, transaction_version: 1 }
    }

    fn batch(&mut self, kind: BatchKind, id: ProducerId, epoch: i16, sequence: i32, count: u32) -> Batch {
        let records = self.payloads.list((0..count).map(|n| Payload::Record(RecordId(n))));
        Batch {
            partition: PartitionId::DEFAULT,
            base_offset: -1,
            leader_epoch: -1,
            producer_id: id,
            producer_epoch: epoch,
            base_sequence: sequence,
            kind,
            records,
            bytes: 100 * count.max(1),
        }
    }

    fn append(&mut self, batch: Batch, origin: Origin, guard: VerificationGuard) -> Outcome {
        self.log
            .append_as_leader(batch, self.leader_epoch, origin, guard, true, 1000, self.now)
            .map(|info| info.base_offset)
    }

    /// c(pid, e, s, n): a client's batch outside transactions.
    fn c(&mut self, id: ProducerId, epoch: i16, sequence: i32, count: u32) -> Outcome {
        let batch = self.batch(BatchKind::Plain, id, epoch, sequence, count);
        self.append(batch, Origin::Client, VerificationGuard::SENTINEL)
    }

    /// A batch without a producer id.
    fn plain(&mut self, count: u32) -> Outcome {
        self.c(NO_PRODUCER_ID, -1, -1, count)
    }

    /// A client's transactional batch, verified first where it has to be.
    fn t(&mut self, id: ProducerId, epoch: i16, sequence: i32, count: u32) -> Outcome {
        let bump = self.transaction_version >= 2;
        let guard = self.log.producers_mut().start_verification(id, epoch, sequence, bump)?;
        let batch = self.batch(BatchKind::Transactional, id, epoch, sequence, count);
        self.append(batch, Origin::Client, guard)
    }

    fn m(&mut self, id: ProducerId, epoch: i16, coordinator_epoch: i32, kind: MarkerKind) -> Outcome {
        let batch = self.batch(BatchKind::Marker { kind, coordinator_epoch }, id, epoch, -1, 0);
        self.append(batch, Origin::Coordinator, VerificationGuard::SENTINEL)
    }

    fn commit(&mut self, id: ProducerId, epoch: i16) -> Outcome {
        self.m(id, epoch, 0, MarkerKind::Commit)
    }

    fn abort(&mut self, id: ProducerId, epoch: i16) -> Outcome {
        self.m(id, epoch, 0, MarkerKind::Abort)
    }

    fn replicate_all(&mut self) {
        self.log.set_high_watermark(self.log.log_end_offset());
    }
}

/// A step of a table: what is written, and what comes of it.
enum Step {
    C(i16, i32, u32, Outcome),
    T(i16, i32, u32, Outcome),
    Commit(i16, Outcome),
    Abort(i16, Outcome),
}
use Step::{Abort, C, Commit, T};

/// Rows 1 to 6, 10, 12, 14, 15, 19, 24, 26: one producer's batches and markers, in order.
#[test]
fn one_producer() {
    let ooo = Err(OutOfOrderSequenceNumber);
    let fenced = Err(InvalidProducerEpoch);
    let max = i32::MAX;
    let rows: &[(&str, u8, &[Step])] = &[
        (
            "1 testBasicIdMapping",
            1,
            &[C(0, 0, 1, Ok(0)), C(0, 1, 1, Ok(1)), C(0, 5, 1, ooo), C(1, 0, 1, Ok(2)), C(0, 0, 1, fenced)],
        ),
        (
            "2 testAppendTxnMarkerWithNoProducerState",
            1,
            &[Commit(2, Ok(0)), C(0, 0, 1, fenced), C(2, 17, 1, ooo), C(2, 0, 1, Ok(1))],
        ),
        ("3 testProducerSequenceWrapAround", 1, &[C(0, max, 1, Ok(0)), C(0, 0, 1, Ok(1))]),
        ("3 testProducerSequenceInvalidWrapAround", 1, &[C(0, max, 1, Ok(0)), C(0, 1, 1, ooo)]),
        (
            "4 testControlRecordBumpsProducerEpoch",
            1,
            &[T(0, 0, 1, Ok(0)), Abort(1, Ok(1)), C(1, 0, 1, Ok(2))],
        ),
        (
            "5 testOutOfSequenceAfterControlRecordEpochBump",
            1,
            &[
                T(0, 0, 1, Ok(0)),
                T(0, 1, 1, Ok(1)),
                Abort(1, Ok(2)),
                C(1, 2, 1, ooo),
                C(2, 2, 1, ooo),
                C(1, 0, 1, Ok(3)),
            ],
        ),
        (
            "6 testNonTransactionalAppendWithOngoingTransaction",
            1,
            &[T(0, 0, 1, Ok(0)), C(0, 1, 1, Err(InvalidTxnState))],
        ),
        ("10 testOldEpochForControlRecord", 1, &[T(5, 0, 1, Ok(0)), Abort(3, fenced), Abort(5, Ok(1))]),
        // Until 4.1 version 2 is no stricter; from 4.2 on (KIP-1228) it refuses epoch 5.
        ("10 testOldEpochForControlRecord", 2, &[T(5, 0, 1, Ok(0)), Abort(3, fenced), Abort(5, Ok(1))]),
        (
            "12 testIdempotentTransactionMarkerRetryTV2",
            2,
            &[T(0, 0, 1, Ok(0)), Commit(1, Ok(1)), Commit(1, Ok(2)), T(1, 0, 1, Ok(3))],
        ),
        (
            "14 testRejectNonZeroSequenceForTransactionsV2WithEmptyState",
            2,
            &[T(0, 5, 1, ooo), T(0, 0, 1, Ok(0))],
        ),
        ("14 testAllowNonZeroSequenceForTransactionsV1WithEmptyState", 1, &[T(0, 5, 1, Ok(0))]),
        (
            "15 testRejectNonZeroSequenceForDirectEpochBump",
            1,
            &[C(0, 0, 1, Ok(0)), C(0, 1, 2, Ok(1)), C(1, 5, 1, ooo), C(1, 0, 1, Ok(3))],
        ),
        (
            "19 testDuplicateAppends",
            1,
            &[
                C(0, 0, 1, Ok(0)),
                C(0, 1, 1, Ok(1)),
                C(0, 2, 1, Ok(2)),
                C(0, 3, 1, Ok(3)),
                C(0, 4, 1, Ok(4)),
                C(0, 5, 1, Ok(5)),
                C(0, 6, 3, Ok(6)),
                C(0, 6, 3, Ok(6)),
                C(0, 7, 2, ooo),
                C(0, 2, 1, Ok(2)),
                C(0, 1, 1, ooo),
                C(0, 9, 1, Ok(9)),
                C(0, 9, 1, Ok(9)),
            ],
        ),
        (
            "24 testEndTxnWithFencedProducerEpoch",
            1,
            &[T(5, 0, 1, Ok(0)), Commit(4, fenced), Commit(5, Ok(1))],
        ),
        (
            "24 testEndTxnWithFencedProducerEpoch",
            2,
            &[T(5, 0, 1, Ok(0)), Commit(4, fenced), Commit(5, Ok(1))],
        ),
        ("26 testOldProducerEpoch", 1, &[C(1, 0, 1, Ok(0)), C(0, 0, 1, fenced)]),
        (
            "2.3 size check comes first, no offset is used",
            1,
            &[C(0, 0, 11, Err(MessageTooLarge)), C(0, 0, 1, Ok(0))],
        ),
        ("2.3 S4, an unknown producer may begin anywhere", 1, &[C(0, 17, 1, Ok(0)), C(0, 18, 1, Ok(1))]),
    ];
    for (row, transaction_version, steps) in rows {
        let mut lab = Lab { transaction_version: *transaction_version, ..Lab::new() };
        for (number, step) in steps.iter().enumerate() {
            let (got, expected) = match step {
                C(epoch, sequence, count, expected) => (lab.c(P, *epoch, *sequence, *count), expected),
                T(epoch, sequence, count, expected) => (lab.t(P, *epoch, *sequence, *count), expected),
                Commit(epoch, expected) => (lab.commit(P, *epoch), expected),
                Abort(epoch, expected) => (lab.abort(P, *epoch), expected),
            };
            assert_eq!(got, *expected, "row {row}, step {number}");
        }
    }
}

/// Row 1 (`testBasicIdMapping`): duplicates are found by the log. To the producer's state a sequence that comes again
/// is out of order.
#[test]
fn a_repeated_sequence_is_out_of_order_to_the_producer_state() {
    let mut lab = Lab::new();
    lab.c(P, 0, 0, 1).unwrap();
    lab.c(P, 0, 1, 1).unwrap();
    let again = lab.batch(BatchKind::Plain, P, 0, 1, 1);
    let guard = VerificationGuard::SENTINEL;
    let validated = lab.log.producers().validate(&again, Origin::Client, guard, true);
    assert_eq!(validated, Err(OutOfOrderSequenceNumber));
    assert_eq!(lab.append(again, Origin::Client, guard), Ok(1), "and the log answers with its offset");
}

/// Row 4 (`testControlRecordBumpsProducerEpoch`) and row 12 (`testIdempotentTransactionMarkerRetryTV2`): what a marker
/// leaves of its producer; a second copy of it changes nothing.
#[test]
fn a_marker_raises_the_epoch_and_clears_the_sequences() {
    let mut lab = Lab { transaction_version: 2, ..Lab::new() };
    lab.t(P, 0, 0, 1).unwrap();
    let open = lab.log.producers().get(P).unwrap();
    assert_eq!((open.producer_epoch, open.last_sequence()), (0, 0));
    assert_eq!(open.current_transaction_first_offset, Some(0));
    for offset in [1, 2] {
        assert_eq!(lab.abort(P, 1), Ok(offset));
        let ended = lab.log.producers().get(P).unwrap();
        assert_eq!((ended.producer_epoch, ended.last_sequence()), (1, -1));
        assert_eq!(ended.current_transaction_first_offset, None);
        assert_eq!(lab.log.aborted_transactions().len(), 1, "one transaction was aborted");
    }
    assert_eq!(lab.c(P, 1, 0, 1), Ok(3));
}

/// Row 1 (sequence repeated beyond what is remembered) and kafka-semantics 2.3: a replay with other
/// boundaries, or older than five batches, is no duplicate.
#[test]
fn duplicates_have_limits() {
    let mut lab = Lab::new();
    for sequence in 0..6 {
        assert_eq!(lab.c(P, 0, sequence, 1), Ok(i64::from(sequence)));
    }
    assert_eq!(lab.c(P, 0, 0, 1), Err(OutOfOrderSequenceNumber), "older than five batches");
    assert_eq!(lab.c(P, 0, 1, 1), Ok(1), "the fifth last");
    assert_eq!(lab.c(P, 0, 4, 2), Err(OutOfOrderSequenceNumber), "other boundaries");
    assert_eq!(lab.log.log_end_offset(), 6);
}

/// Rows 7 (`testPidExpirationTimeout`), 8 (`testProducersWithOngoingTransactionsDontExpire`), 9
/// (`testRemoveExpiredPidsOnReload`).
#[test]
fn expiry() {
    let mut lab = Lab::new();
    lab.c(P, 0, 0, 1).unwrap();
    lab.t(9, 0, 0, 1).unwrap();
    lab.now = Time::ZERO + DAY;
    let mut expired = Vec::new();
    lab.log.expire_producers(lab.now, DAY, |id| expired.push(id));
    assert_eq!(expired, [P], "row 8: the open transaction keeps its producer");
    assert_eq!(lab.log.producers().first_undecided_offset(), Some(1), "row 8");
    assert_eq!(lab.c(P, 0, 1, 1), Ok(2), "row 7: accepted without sequence 0");

    let mut lab = Lab::new();
    lab.c(P, 0, 0, 1).unwrap();
    lab.c(P, 0, 1, 1).unwrap();
    lab.log.close_cleanly();
    lab.now = Time::ZERO + DAY;
    lab.log.load(true, lab.now, DAY);
    assert_eq!(lab.c(P, 0, 2, 1), Ok(2));
    assert_eq!(lab.log.producers().get(P).unwrap().batches().len(), 1, "row 9: forgotten at the reload");
}

/// Rows 11 (`testCoordinatorFencing`), 23 (`testZombieCoordinatorFenced`).
#[test]
fn coordinators_are_fenced() {
    let mut lab = Lab::new();
    for (coordinator_epoch, expected) in
        [(1, Ok(0)), (1, Ok(1)), (2, Ok(2)), (1, Err(TransactionCoordinatorFenced))]
    {
        assert_eq!(lab.m(P, 0, coordinator_epoch, MarkerKind::Commit), expected, "epoch {coordinator_epoch}");
    }
}

/// Rows 13 (`testAcceptAppendWithSequenceGapsOnReplica`), 25 (`testDuplicateAppendToFollower`,
/// `testMultipleProducersWithDuplicatesInSingleAppend`): what a follower takes over is not checked.
#[test]
fn followers_check_nothing() {
    let mut lab = Lab::new();
    let mut batch = lab.batch(BatchKind::Plain, P, 0, 0, 1);
    batch.base_offset = 0;
    batch.leader_epoch = 0;
    lab.log.append_as_follower(batch, lab.now);
    let mut gap = lab.batch(BatchKind::Plain, P, 0, 3, 1);
    gap.base_offset = 1;
    gap.leader_epoch = 0;
    assert_eq!(lab.c(P, 0, 3, 1), Err(OutOfOrderSequenceNumber));
    assert_eq!(lab.log.producers().get(P).unwrap().last_sequence(), 0);
    lab.log.append_as_follower(gap, lab.now);
    assert_eq!(lab.log.producers().get(P).unwrap().last_sequence(), 3);
    // The same batch once more, and another producer's: all is taken.
    for (id, sequence) in [(P, 3), (9, 5), (9, 5)] {
        let mut repeated = lab.batch(BatchKind::Plain, id, 0, sequence, 1);
        repeated.base_offset = lab.log.log_end_offset();
        repeated.leader_epoch = 0;
        lab.log.append_as_follower(repeated, lab.now);
    }
    assert_eq!(lab.log.log_end_offset(), 5);
    // As leader it recognises what it followed.
    assert_eq!(lab.c(P, 0, 3, 1), Ok(1));
}

/// Rows 16 (`testThrowOutOfOrderSequenceWithVerificationSequenceCheck`), 40
/// (`testTransactionVerificationBlocksOutOfOrderSequence`), 43 (`testTransactionVerificationFlow`): a batch above the
/// lowest sequence that is being verified waits its turn; the verification stays until one is appended, also when it is
/// switched off meanwhile.
#[test]
fn verification_guards_the_first_sequence() {
    let mut lab = Lab::new();
    let first = lab.log.producers_mut().start_verification(P, 0, 0, true).unwrap();
    let second = lab.log.producers_mut().start_verification(P, 0, 4, true).unwrap();
    assert_eq!(first, second, "one verification a producer");
    let ahead = lab.batch(BatchKind::Transactional, P, 0, 4, 1);
    assert_eq!(lab.append(ahead, Origin::Client, second), Err(OutOfOrderSequenceNumber));
    let sentinel = VerificationGuard::SENTINEL;
    let unchecked = lab.log.append_as_leader(ahead, 0, Origin::Client, sentinel, false, 1000, lab.now);
    assert_eq!(unchecked.map(|info| info.base_offset), Err(OutOfOrderSequenceNumber), "verification is off");
    let again = lab.log.producers_mut().start_verification(P, 0, 4, true);
    assert_eq!(again, Ok(first), "the verification stays");
    let in_order = lab.batch(BatchKind::Transactional, P, 0, 0, 1);
    let unverified = lab.append(in_order, Origin::Client, VerificationGuard::SENTINEL);
    assert_eq!(unverified, Err(InvalidTxnState), "3.7: no guard, no transaction");
    assert_eq!(lab.append(in_order, Origin::Client, first), Ok(0));
    let next = lab.batch(BatchKind::Transactional, P, 0, 1, 1);
    assert_eq!(lab.append(next, Origin::Client, VerificationGuard::SENTINEL), Ok(1), "it is open now");
}

/// Row 41 (`testTransactionVerificationRejectsLowerProducerEpoch`).
#[test]
fn a_lower_epoch_is_refused_before_the_coordinator_is_asked() {
    let mut lab = Lab::new();
    lab.t(P, 5, 0, 1).unwrap();
    assert_eq!(lab.log.producers_mut().start_verification(P, 4, 0, true), Err(InvalidProducerEpoch));
}

/// Rows 17 (`testFirstUnstableOffset`), 20 (`testFetchUpToLastStableOffset`), 22
/// (`testFirstUnstableOffsetWithTransactionalData`): the first unstable offset moves when the marker is below the high
/// watermark.
#[test]
fn last_stable_offset() {
    let mut lab = Lab::new();
    lab.plain(9).unwrap();
    lab.t(1, 0, 0, 1).unwrap();
    lab.plain(5).unwrap();
    lab.t(2, 0, 0, 1).unwrap();
    lab.replicate_all();
    assert_eq!((lab.log.first_unstable_offset(), lab.log.last_stable_offset()), (Some(9), 9));
    assert_eq!(lab.commit(1, 0), Ok(16));
    assert_eq!(lab.log.first_unstable_offset(), Some(9), "row 22: the marker is not replicated");
    lab.replicate_all();
    assert_eq!(lab.log.first_unstable_offset(), Some(15), "row 17");
    assert_eq!(lab.abort(2, 0), Ok(17));
    assert_eq!(lab.log.last_stable_offset(), 15);
    lab.replicate_all();
    assert_eq!((lab.log.first_unstable_offset(), lab.log.last_stable_offset()), (None, 18));

    // Row 20 (`testFetchUpToLastStableOffset`).
    let mut lab = Lab::new();
    lab.t(1, 0, 0, 5).unwrap();
    lab.plain(3).unwrap();
    lab.t(2, 0, 0, 2).unwrap();
    lab.t(1, 0, 5, 4).unwrap();
    lab.plain(2).unwrap();
    lab.t(1, 0, 9, 10).unwrap();
    lab.replicate_all();
    assert_eq!(lab.log.last_stable_offset(), 0);
    lab.commit(1, 0).unwrap();
    assert_eq!(lab.log.last_stable_offset(), 0);
    lab.replicate_all();
    assert_eq!(lab.log.last_stable_offset(), 8);
    lab.abort(2, 0).unwrap();
    assert_eq!(lab.log.last_stable_offset(), 8);
    lab.replicate_all();
    assert_eq!(lab.log.last_stable_offset(), lab.log.log_end_offset());
}

/// Row 18 (`testLastStableOffsetCompletedTxn`): what the transaction index keeps of each end.
#[test]
fn last_stable_offset_after_each_end() {
    let mut lab = Lab::new();
    lab.t(1, 0, 0, 1).unwrap();
    lab.t(2, 0, 0, 1).unwrap();
    lab.t(3, 0, 0, 1).unwrap();
    lab.abort(1, 0).unwrap();
    lab.abort(3, 0).unwrap();
    lab.abort(2, 0).unwrap();
    let stable: Vec<_> =
        lab.log.aborted_transactions().iter().map(|e| (e.producer_id, e.last_stable_offset)).collect();
    assert_eq!(stable, [(1, 1), (3, 1), (2, 6)]);
}

/// Row 21 (`testTransactionIndexUpdated`): four producers and plain batches mixed, with the offsets of Kafka's test.
#[test]
fn transaction_index_of_four_producers() {
    enum Do {
        Write(ProducerId, u32),
        Plain(u32),
        End(ProducerId, MarkerKind),
    }
    use Do::{End, Plain, Write};
    let mut lab = Lab::new();
    let mut sequences = [0; 5];
    for (what, end) in [
        (Write(1, 5), 5),
        (Plain(3), 8),
        (Write(2, 2), 10),
        (Write(1, 4), 14),
        (Write(3, 3), 17),
        (Plain(2), 19),
        (Write(1, 10), 29),
        (End(1, MarkerKind::Abort), 30),
        (Write(2, 6), 36),
        (Write(4, 3), 39),
        (Plain(10), 49),
        (Write(3, 9), 58),
        (End(3, MarkerKind::Commit), 59),
        (Write(4, 8), 67),
        (Write(2, 7), 74),
        (End(2, MarkerKind::Abort), 75),
        (Plain(10), 85),
        (Write(4, 4), 89),
        (End(4, MarkerKind::Commit), 90),
    ] {
        match what {
            Write(id, count) => {
                let sequence = &mut sequences[id as usize];
                let first = std::mem::replace(sequence, *sequence + count as i32);
                lab.t(id, 0, first, count).unwrap()
            }
            Plain(count) => lab.plain(count).unwrap(),
            End(id, kind) => lab.m(id, 0, 0, kind).unwrap(),
        };
        assert_eq!(lab.log.log_end_offset(), end);
    }
    let entry = |producer_id, first_offset, last_offset, last_stable_offset| AbortedEntry {
        producer_id,
        first_offset,
        last_offset,
        last_stable_offset,
    };
    assert_eq!(lab.log.aborted_transactions(), [entry(1, 0, 29, 8), entry(2, 8, 74, 36)]);
    for (high_watermark, unstable) in [(30, Some(8)), (75, Some(36)), (90, None)] {
        lab.log.set_high_watermark(high_watermark);
        assert_eq!(lab.log.first_unstable_offset(), unstable, "high watermark {high_watermark}");
    }
}

/// The transaction index, and who is told what (kafka-semantics 2.4).
#[test]
fn transaction_index() {
    let mut lab = Lab::new();
    lab.t(1, 0, 0, 5).unwrap();
    lab.plain(3).unwrap();
    lab.t(2, 0, 0, 2).unwrap();
    assert_eq!(lab.abort(1, 0), Ok(10));
    assert_eq!(lab.abort(2, 0), Ok(11));
    let entry = |producer_id, first_offset, last_offset, last_stable_offset| AbortedEntry {
        producer_id,
        first_offset,
        last_offset,
        last_stable_offset,
    };
    assert_eq!(lab.log.aborted_transactions(), [entry(1, 0, 10, 8), entry(2, 8, 11, 12)]);
    for (from, below, producers) in
        [(0, 12, vec![1, 2]), (0, 8, vec![1]), (11, 12, vec![2]), (12, 12, vec![])]
    {
        let told: Vec<_> = lab.log.aborted_in(from, below).map(|a| a.producer_id).collect();
        assert_eq!(told, producers, "[{from}, {below})");
    }
}

/// Row 27 (`testProducerIdMapTruncateTo`), and kafka-semantics 2.6: truncation rolls back everything that was derived.
#[test]
fn truncation_rolls_back() {
    let mut lab = Lab::new();
    lab.log.begin_leader_epoch(0);
    lab.c(P, 0, 0, 1).unwrap();
    lab.c(P, 0, 1, 1).unwrap();
    lab.t(9, 0, 0, 1).unwrap();
    lab.abort(9, 0).unwrap();
    lab.leader_epoch = 3;
    lab.c(P, 0, 2, 1).unwrap();
    lab.replicate_all();
    assert!(lab.log.truncate_to(2, lab.now, DAY));
    assert_eq!((lab.log.log_end_offset(), lab.log.high_watermark()), (2, 2));
    assert_eq!(lab.log.leader_epochs().latest(), Some(0));
    assert!(lab.log.aborted_transactions().is_empty());
    assert_eq!(lab.log.producers().get(9), None);
    assert_eq!(lab.log.producers().get(P).unwrap().last_sequence(), 1);
    assert_eq!(lab.c(P, 0, 2, 1), Ok(2));
    assert!(!lab.log.truncate_to(7, lab.now, DAY), "nothing beyond the end");
}

/// Row 28 (`testProducerSnapshotsRecoveryAfterUncleanShutdown`) and P44 (recording snapshot-window): a restart keeps only the last batch of each producer.
#[test]
fn restarts_keep_the_last_batch() {
    for clean in [true, false] {
        let mut lab = Lab::new();
        for sequence in 0..3 {
            lab.c(P, 0, sequence, 1).unwrap();
        }
        lab.t(9, 0, 0, 1).unwrap();
        if clean {
            lab.log.close_cleanly();
        }
        lab.log.load(clean, lab.now, DAY);
        assert_eq!(lab.log.producers().get(P).unwrap().batches().len(), 1, "clean: {clean}");
        assert_eq!(lab.c(P, 0, 2, 1), Ok(2), "the last batch is recognised; clean: {clean}");
        assert_eq!(lab.c(P, 0, 1, 1), Err(OutOfOrderSequenceNumber), "clean: {clean}");
        assert_eq!(lab.c(P, 0, 3, 1), Ok(4), "clean: {clean}");
        assert_eq!(lab.log.first_unstable_offset(), Some(3), "open transactions stay; clean: {clean}");
    }
}

/// kafka-semantics 2.9: what the crash classes leave.
#[test]
fn crashes() {
    // A kill: everything written, the high watermark as it was checkpointed.
    let mut lab = Lab::new();
    lab.plain(2).unwrap();
    lab.replicate_all();
    lab.log.checkpoint_high_watermark();
    lab.plain(3).unwrap();
    lab.replicate_all();
    lab.log.load(false, lab.now, DAY);
    assert_eq!((lab.log.log_end_offset(), lab.log.high_watermark()), (5, 2));

    // A power loss: the first records, whole batches, never less than what was flushed.
    for (flushed_first, records, end) in
        [(false, 1, 0), (false, 2, 2), (false, 4, 2), (false, 9, 5), (true, 0, 2)]
    {
        let mut lab = Lab::new();
        lab.plain(2).unwrap();
        if flushed_first {
            lab.log.flush();
        }
        lab.plain(3).unwrap();
        lab.log.keep_first_records(records, lab.now, DAY);
        lab.log.load(false, lab.now, DAY);
        assert_eq!(lab.log.log_end_offset(), end, "{records} records, flushed first: {flushed_first}");
    }
}

/// `LogLoader.load`: a power loss that leaves only deleted records leaves an empty log that begins where it did.
#[test]
fn a_power_loss_below_the_log_start_leaves_an_empty_log() {
    let mut lab = Lab::new();
    for _ in 0..4 {
        lab.plain(1).unwrap();
    }
    lab.replicate_all();
    lab.log.raise_log_start(3);
    lab.log.keep_first_records(1, lab.now, DAY);
    lab.log.load(false, lab.now, DAY);
    assert_eq!((lab.log.log_start_offset(), lab.log.log_end_offset(), lab.log.high_watermark()), (3, 3, 3));
    assert_eq!(lab.plain(1), Ok(3));
}

/// kafka-semantics 2.3: deleting records forgets no producer.
#[test]
fn deleted_records_leave_the_producer_known() {
    let mut lab = Lab::new();
    lab.c(P, 0, 0, 1).unwrap();
    lab.c(P, 0, 1, 1).unwrap();
    lab.replicate_all();
    assert!(lab.log.raise_log_start(2));
    assert_eq!(lab.log.log_start_offset(), 2);
    assert_eq!(lab.c(P, 0, 5, 1), Err(OutOfOrderSequenceNumber));
    assert_eq!(lab.c(P, 0, 2, 1), Ok(2));
    assert_eq!(lab.log.read(2, 3).len(), 1);
}

/// `UnifiedLog.truncateTo`: a leader that lost its disk may end before what was deleted on a follower.
#[test]
fn truncation_goes_below_what_was_deleted() {
    for (to, end) in [(0, 0), (1, 1), (2, 2)] {
        let mut lab = Lab::new();
        for sequence in 0..3 {
            lab.c(P, 0, sequence, 1).expect("it is the next");
        }
        lab.log.raise_log_start(2);
        assert!(lab.log.truncate_to(to, Time::ZERO, DAY));
        let (start, high_watermark) = (lab.log.log_start_offset(), lab.log.high_watermark());
        assert_eq!(
            (start, lab.log.log_end_offset(), high_watermark <= end),
            (end.min(2), end, true),
            "to {to}"
        );
    }
}
