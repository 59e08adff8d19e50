//! The tables of the transaction coordinator (kafka-semantics 3.3).

use super::error::ErrorCode;
use super::event::{TransactionMetadata, TransactionState};
use super::record::MarkerKind;
use super::transaction_state::*;
use super::types::*;
use crate::engine::sim::time::{Span, Time};
use ErrorCode::{
    ConcurrentTransactions, InvalidProducerIdMapping, InvalidTxnState, ProducerFenced, TransactionAbortable,
};
use MarkerKind::{Abort, Commit};
use TransactionState::*;

const NOW: Time = Time(50_000_000);
const PARTITION: PartitionId = PartitionId(2);

/// Producer id 7 at epoch 10, last epoch 9, with one partition.
fn id(state: TransactionState) -> TransactionalIdState {
    let mut id = TransactionalIdState::new(TransactionalId(0), (7, -1), Span::seconds(60), Time::ZERO);
    id.current.state = state;
    id.current.producer_epoch = 10;
    id.current.last_producer_epoch = 9;
    if state == Ongoing {
        id.current.partitions.insert(PARTITION);
        id.current.started_at = Some(Time(1_000_000));
    }
    id
}

fn next(decision: Decision) -> TransactionMetadata {
    match decision {
        Decision::Transit(next) => next,
        Decision::Answer(error) => panic!("answered {error}"),
    }
}

/// kafka-semantics 3.3, InitProducerId.
#[test]
fn init_producer_id_follows_the_table() {
    type Row = (TransactionState, Option<(ProducerId, ProducerEpoch)>, Result<ProducerEpoch, ErrorCode>);
    let rows: [Row; 14] = [
        (Empty, None, Ok(11)),
        (CompleteCommit, None, Ok(11)),
        (CompleteAbort, None, Ok(11)),
        (PrepareCommit, None, Err(ConcurrentTransactions)),
        (PrepareAbort, None, Err(ConcurrentTransactions)),
        (Empty, Some((7, 10)), Ok(11)),
        (CompleteCommit, Some((7, 10)), Ok(11)),
        (Empty, Some((7, 9)), Ok(10)),
        (Empty, Some((7, 8)), Err(ProducerFenced)),
        (Empty, Some((7, 11)), Err(ProducerFenced)),
        (Empty, Some((8, 10)), Err(ProducerFenced)),
        (Ongoing, Some((8, 10)), Err(ProducerFenced)),
        (PrepareCommit, Some((7, 10)), Err(ConcurrentTransactions)),
        (CompleteAbort, Some((7, 9)), Ok(10)),
    ];
    for (state, expected, answer) in rows {
        let mut id = id(state);
        let decision = id.init_producer_id(Span::seconds(60), expected, 99, 2, NOW);
        match answer {
            Ok(epoch) => {
                let next = next(decision);
                assert_eq!((next.state, next.producer_id, next.producer_epoch), (Empty, 7, epoch));
                assert_eq!(
                    id.init_producer_id(Span::seconds(60), expected, 99, 2, NOW),
                    Decision::Answer(ConcurrentTransactions),
                    "a transition is pending"
                );
            }
            Err(error) => assert_eq!(decision, Decision::Answer(error), "{state:?} {expected:?}"),
        }
    }
}

/// TransactionCoordinatorTest.testInitProducerIdWithCurrentEpochProvided, testInitProducerIdStaleCurrentEpochProvided.
#[test]
fn a_repeated_init_with_the_same_expected_epoch_does_not_bump_twice() {
    let mut id = id(Empty);
    let init = |id: &mut TransactionalIdState, expected| {
        let decision = id.init_producer_id(Span::seconds(60), expected, 99, 2, NOW);
        id.complete();
        decision
    };
    assert_eq!(next(init(&mut id, Some((7, 10)))).producer_epoch, 11);
    assert_eq!(next(init(&mut id, Some((7, 10)))).producer_epoch, 11);
    assert_eq!(next(init(&mut id, None)).producer_epoch, 12);
    assert_eq!(init(&mut id, Some((7, 10))), Decision::Answer(ProducerFenced));
}

#[test]
fn the_first_init_gives_epoch_0() {
    let mut id = TransactionalIdState::new(TransactionalId(0), (7, -1), Span::seconds(60), Time::ZERO);
    assert_eq!(next(id.init_producer_id(Span::seconds(60), Some((3, 5)), 99, 2, NOW)).producer_epoch, 0);
}

/// TransactionCoordinatorTest.shouldAbortTransactionOnHandleInitPidWhenExistingTransactionInOngoingState;
/// recording zombie-fenced: the ABORT marker has epoch 1, the new instance epoch 2.
#[test]
fn init_aborts_an_ongoing_transaction() {
    for version in [1, 2] {
        let mut id = id(Ongoing);
        let fenced = next(id.init_producer_id(Span::seconds(60), None, 99, version, NOW));
        assert_eq!((fenced.state, fenced.producer_epoch), (PrepareAbort, 11));
        id.complete();
        assert_eq!(id.prepare_complete(NOW).state, CompleteAbort);
        id.complete();
        assert_eq!(next(id.init_producer_id(Span::seconds(60), None, 99, version, NOW)).producer_epoch, 12);
    }
}

/// TransactionCoordinatorTest.shouldNotRepeatedlyBumpEpochDueToInitPidDuringOngoingTxnIfAppendToLogFails.
#[test]
fn a_failed_fence_bumps_only_once() {
    for version in [1, 2] {
        let mut id = id(Ongoing);
        for _ in 0..3 {
            let fenced = next(id.end(EndedBy::Fencing, Abort, version, NO_PRODUCER_ID, NOW));
            assert_eq!(fenced.producer_epoch, 11);
            id.fail(true);
        }
    }
}

/// kafka-semantics 3.3, EndTxn TV0/TV1; TransactionCoordinatorTest: testEndTxnWhenStatusIsCompleteCommitAndResultIsCommitInV1,
/// shouldReplyWithProducerFencedOnEndTxnWhenEpochIsNotSameAsTransaction,
/// shouldReturnConcurrentTransactionsOnEndTxnRequestWhenStatusIsPrepareCommit,
/// shouldReturnInvalidTxnRequestOnEndTxnRequestWhenStatusIsPrepareAbort.
#[test]
fn end_txn_version_1_follows_the_table() {
    let rows = [
        (Ongoing, Commit, Ok(PrepareCommit)),
        (Ongoing, Abort, Ok(PrepareAbort)),
        (PrepareCommit, Commit, Err(ConcurrentTransactions)),
        (PrepareCommit, Abort, Err(InvalidTxnState)),
        (PrepareAbort, Commit, Err(InvalidTxnState)),
        (PrepareAbort, Abort, Err(ConcurrentTransactions)),
        (CompleteCommit, Commit, Err(ErrorCode::None)),
        (CompleteCommit, Abort, Err(InvalidTxnState)),
        (CompleteAbort, Commit, Err(InvalidTxnState)),
        (CompleteAbort, Abort, Err(ErrorCode::None)),
        (Empty, Commit, Err(InvalidTxnState)),
        (Empty, Abort, Err(InvalidTxnState)),
    ];
    for (state, kind, answer) in rows {
        match answer {
            Ok(prepared) => {
                let next = next(id(state).end(EndedBy::Producer(7, 10), kind, 1, 99, NOW));
                assert_eq!((next.state, next.producer_epoch), (prepared, 10));
            }
            Err(error) => assert_eq!(
                id(state).end(EndedBy::Producer(7, 10), kind, 1, 99, NOW),
                Decision::Answer(error),
                "{state:?} {kind:?}"
            ),
        }
        for epoch in [9, 11] {
            let decision = id(state).end(EndedBy::Producer(7, epoch), kind, 1, 99, NOW);
            assert_eq!(decision, Decision::Answer(ProducerFenced));
        }
        let decision = id(state).end(EndedBy::Producer(8, 10), kind, 1, 99, NOW);
        assert_eq!(decision, Decision::Answer(InvalidProducerIdMapping));
    }
}

/// kafka-semantics 3.3, EndTxn TV2; TransactionCoordinatorTest: testEndTxnWhenStatusIsCompleteCommitAndResultIsCommitInV2,
/// shouldReturnOkOnEndTxnWhenStatusIsCompleteAbortAndResultIsAbortInV2,
/// testEndTxnRequestWhenStatusIsCompleteCommitAndResultIsAbortInV2, shouldReturnInvalidEpochOnEndTxnWhenEpochIsLarger,
/// shouldReturnInvalidEpochOnEndTxnWhenEpochIsSmaller, shouldReturnConcurrentTransactionsOnEndTxnRequestWhenStatusIsPrepareCommit,
/// shouldReturnInvalidTxnRequestOnEndTxnRequestWhenStatusIsPrepareAbort.
#[test]
fn end_txn_version_2_follows_the_table() {
    // Columns: the epoch of a retry (9), the current epoch (10).
    let rows = [
        (Ongoing, Abort, Err(ProducerFenced), Ok(PrepareAbort)),
        (Empty, Abort, Err(ProducerFenced), Ok(PrepareAbort)),
        (PrepareCommit, Abort, Err(InvalidTxnState), Err(ProducerFenced)),
        (PrepareAbort, Abort, Err(ConcurrentTransactions), Err(ProducerFenced)),
        (CompleteCommit, Abort, Err(InvalidTxnState), Ok(PrepareAbort)),
        (CompleteAbort, Abort, Err(ErrorCode::None), Ok(PrepareAbort)),
        (Ongoing, Commit, Err(ProducerFenced), Ok(PrepareCommit)),
        (Empty, Commit, Err(ProducerFenced), Err(InvalidTxnState)),
        (PrepareCommit, Commit, Err(ConcurrentTransactions), Err(ProducerFenced)),
        (PrepareAbort, Commit, Err(InvalidTxnState), Err(ProducerFenced)),
        (CompleteCommit, Commit, Err(ErrorCode::None), Err(InvalidTxnState)),
        (CompleteAbort, Commit, Err(InvalidTxnState), Err(InvalidTxnState)),
    ];
    for (state, kind, retry, current) in rows {
        for (epoch, answer) in
            [(9, retry), (10, current), (8, Err(ProducerFenced)), (11, Err(ProducerFenced))]
        {
            let decision = id(state).end(EndedBy::Producer(7, epoch), kind, 2, 99, NOW);
            match answer {
                Ok(prepared) => {
                    let next = next(decision);
                    assert_eq!((next.state, next.producer_epoch), (prepared, 11));
                    assert_eq!(next.last_producer_epoch, 10);
                    let started = if state == Ongoing { Time(1_000_000) } else { NOW };
                    assert_eq!(next.started_at, Some(started));
                }
                Err(error) => {
                    assert_eq!(decision, Decision::Answer(error), "{state:?} {kind:?} epoch {epoch}");
                }
            }
        }
    }
}

/// TransactionCoordinatorTest.shouldReturnOkOnEndTxnV2IfEndTxnV2RetryEpochOverflow,
/// shouldGenerateNewProducerIdIfEpochsExhaustedV2; TransactionsTest.testRecoveryFromEpochOverflow.
#[test]
fn an_exhausted_epoch_gives_a_fresh_producer_id() {
    let mut id = id(Ongoing);
    id.current.producer_epoch = 32766;
    let prepared = next(id.end(EndedBy::Producer(7, 32766), Commit, 2, 99, NOW));
    assert_eq!((prepared.producer_id, prepared.producer_epoch), (7, 32767));
    let retry = |id: &mut TransactionalIdState| id.end(EndedBy::Producer(7, 32766), Commit, 2, 100, NOW);
    assert_eq!(retry(&mut id), Decision::Answer(ConcurrentTransactions));
    id.complete();
    id.prepare_complete(NOW);
    assert_eq!(retry(&mut id), Decision::Answer(ConcurrentTransactions));
    id.complete();
    assert_eq!((id.current.producer_id, id.current.producer_epoch), (99, 0));
    assert_eq!(retry(&mut id), Decision::Answer(ErrorCode::None));

    let mut exhausted = self::id(CompleteCommit);
    exhausted.current.producer_epoch = 32766;
    let rotated = next(exhausted.init_producer_id(Span::seconds(60), None, 99, 2, NOW));
    assert_eq!((rotated.producer_id, rotated.producer_epoch, rotated.previous_producer_id), (99, 0, 7));
}

/// kafka-semantics 3.3, AddPartitionsToTxn; TransactionCoordinatorTest.testVerifyPartitionHandling.
#[test]
fn partitions_are_added_and_verified() {
    let set: PartitionSet = [PARTITION].into_iter().collect();
    let other: PartitionSet = [PartitionId(3)].into_iter().collect();
    let rows = [
        (Ongoing, 8, 10, set, InvalidProducerIdMapping, InvalidProducerIdMapping),
        (Ongoing, 7, 9, set, ProducerFenced, ProducerFenced),
        (Ongoing, 7, 11, set, ProducerFenced, ProducerFenced),
        (PrepareCommit, 7, 10, set, ConcurrentTransactions, ConcurrentTransactions),
        (PrepareAbort, 7, 10, set, ConcurrentTransactions, ConcurrentTransactions),
        (Ongoing, 7, 10, set, ErrorCode::None, ErrorCode::None),
    ];
    for (state, producer_id, epoch, partitions, added, verified) in rows {
        let mut id = id(state);
        assert_eq!(
            id.add_partitions(producer_id, epoch, partitions, 2, NOW),
            Decision::Answer(added),
            "{state:?}"
        );
        assert_eq!(id.verify_partitions(producer_id, epoch, partitions), verified, "{state:?}");
    }
    for (state, started) in
        [(Empty, NOW), (CompleteCommit, NOW), (CompleteAbort, NOW), (Ongoing, Time(1_000_000))]
    {
        let mut id = id(state);
        assert_eq!(id.verify_partitions(7, 10, other), TransactionAbortable);
        let next = next(id.add_partitions(7, 10, other, 2, NOW));
        assert_eq!((next.state, next.started_at), (Ongoing, Some(started)));
        assert_eq!(
            id.add_partitions(7, 10, other, 2, NOW),
            Decision::Answer(ConcurrentTransactions),
            "a transition is pending"
        );
        id.complete();
        assert!(id.current.partitions.contains(PartitionId(3)));
    }
}

/// TransactionCoordinatorTest.shouldAbortExpiredTransactionsInOngoingStateAndBumpEpoch.
#[test]
fn only_ongoing_transactions_time_out() {
    for (state, now, timed_out) in [
        (Ongoing, Time(61_000_000), false),
        (Ongoing, Time(61_000_001), true),
        (PrepareCommit, Time(99_000_000), false),
        (PrepareAbort, Time(99_000_000), false),
        (CompleteCommit, Time(99_000_000), false),
    ] {
        let mut id = id(state);
        id.current.started_at = Some(Time(1_000_000));
        assert_eq!(id.is_timed_out(now), timed_out, "{state:?} at {now}");
    }
}

/// kafka-semantics 3.3, T31: Empty and Complete* ids expire, seven days after their last change as a rule.
#[test]
fn idle_ids_expire() {
    let week = Span::seconds(604_800);
    for (state, updated, now, expires) in [
        (Empty, 0, 604_799, false),
        (Empty, 0, 604_800, true),
        (CompleteCommit, 10, 604_810, true),
        (CompleteAbort, 10, 604_810, true),
        (Ongoing, 0, 999_999, false),
        (PrepareCommit, 0, 999_999, false),
        (PrepareAbort, 0, 999_999, false),
    ] {
        let mut id = id(state);
        id.current.updated_at = Time(updated * 1_000_000);
        let dead = id.expire(week, Time(now * 1_000_000));
        assert_eq!(dead.map(|dead| dead.state), expires.then_some(Dead), "{state:?}");
        assert!(id.expire(week, Time(now * 1_000_000)).is_none(), "only once");
    }
}
