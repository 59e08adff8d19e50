//! What Kafka's own tests of transactions in the client say (kafka-semantics 3.5 to 3.7, 6.3 rows 58 and 59), asked of
//! this producer.

use super::config::{ClusterConfig, ProducerConfig};
use super::error::{ErrorCode, Exception, ExceptionClass};
use super::event::{Call, TransactionManagerState as State};
use super::message::{Api, GroupMetadata, OffsetEntry, Request, Response};
use super::producer::ProducerCall;
use super::producer_lab::{Lab, P0};
use super::testing;
use super::types::*;
use crate::engine::sim::time::Span;
use ExceptionClass::*;

fn config() -> ProducerConfig {
    ProducerConfig { transactional_id: Some(TransactionalId(0)), ..ProducerConfig::default() }
}

/// A producer that has called `initTransactions()`.
fn ready(config: ProducerConfig, transaction_version: u8) -> Lab {
    let cluster = ClusterConfig { transaction_version, ..ClusterConfig::default() };
    let mut lab = Lab::new(config, testing::setup(cluster));
    lab.call(ProducerCall::Init);
    lab.pass(Span::millis(200));
    assert_eq!(lab.returned(), [(Call::Init, None)]);
    lab
}

/// A producer in a transaction.
fn begun(transaction_version: u8) -> Lab {
    let mut lab = ready(config(), transaction_version);
    lab.call(ProducerCall::Begin);
    lab
}

fn state(lab: &Lab) -> State {
    lab.producer.transaction_manager().expect("it is transactional").state()
}

fn last(lab: &Lab) -> (Call, Option<Exception>) {
    *lab.returned().last().expect("a call has returned")
}

fn end_txn(error: ErrorCode, producer_id: ProducerId, producer_epoch: ProducerEpoch) -> Response {
    Response::EndTxn { error, producer_id, producer_epoch }
}

fn api(lab: &Lab) -> Option<Api> {
    lab.requests.first().map(|waiting| waiting.request.api())
}

fn send_offsets(lab: &mut Lab) {
    let member =
        GroupMetadata { group: GroupId(0), generation: 3, member: Some(MemberId(1)), instance: None };
    let entry = OffsetEntry { partition: P0, offset: 4, leader_epoch: -1 };
    let offsets = lab.stage.arenas.offsets.list([entry]);
    lab.call(ProducerCall::SendOffsets { member, offsets });
}

const fn plain(class: ExceptionClass) -> Option<Exception> {
    Some(Exception::new(class))
}

const fn wrapped(cause: ExceptionClass) -> Option<Exception> {
    Some(Exception::caused_by(KafkaException, cause))
}

/// Recordings txn-commit, empty-txn: what had to wait for its coordinator goes `retry.backoff.ms` later.
#[test]
fn the_first_producer_id_takes_a_back_off() {
    let mut lab = Lab::new(config(), testing::setup(ClusterConfig::default()));
    lab.call(ProducerCall::Init);
    assert_eq!((lab.count(Api::FindCoordinator), lab.count(Api::InitProducerId)), (1, 0));
    lab.pass(Span::millis(99));
    assert_eq!(lab.count(Api::InitProducerId), 0);
    lab.pass(Span::millis(1));
    assert_eq!(lab.count(Api::InitProducerId), 1);
    assert_eq!((last(&lab), state(&lab)), ((Call::Init, None), State::Ready));
}

/// Row T39, recording empty-txn: nothing was written, nothing is sent.
#[test]
fn an_empty_transaction_sends_nothing() {
    for (call, expected) in
        [(ProducerCall::Commit, Call::CommitTransaction), (ProducerCall::Abort, Call::AbortTransaction)]
    {
        let mut lab = begun(2);
        lab.call(call);
        assert_eq!((last(&lab), state(&lab)), ((expected, None), State::Ready));
        assert_eq!(lab.count(Api::EndTxn), 0);
    }
}

/// Row 59, testEpochUpdateAfterBumpFromEndTxnResponseInV2 and
/// testProducerIdAndEpochUpdateAfterOverflowFromEndTxnResponseInV2; recording txn-commit.
#[test]
fn the_answer_to_end_txn_brings_the_next_epoch() {
    for (producer_id, producer_epoch) in [(7, 1), (8, 0)] {
        let mut lab = begun(2);
        lab.send(0..2);
        lab.call(ProducerCall::Commit);
        assert_eq!(lab.waiting(), [(0, 0, 0), (1, 0, 1)]);
        assert_eq!(lab.count(Api::EndTxn), 0, "not before all batches have their answer");
        lab.produced(ErrorCode::None, 0);
        lab.produced(ErrorCode::None, 1);
        lab.answer(end_txn(ErrorCode::None, producer_id, producer_epoch));
        assert_eq!(last(&lab), (Call::CommitTransaction, None));
        lab.call(ProducerCall::Begin);
        lab.send(2..3);
        assert_eq!(lab.waiting(), [(2, producer_epoch, 0)]);
        assert_eq!(lab.batches()[0].producer_id, producer_id);
    }
}

/// How a failed batch and a failed EndTxn are taken: (what fails, what commit throws, whether abort helps).
/// kafka-semantics 3.5; rows T03, T04, T06, T36; row 58, TransactionManagerTest.testDisallowCommitOnProduceFailure,
/// testInvalidProducerEpochFromProduce; recordings txn-timeout-then-send, zombie-fenced, zombie-fenced-at-commit.
#[test]
fn errors_are_abortable_or_fatal() {
    let produce_errors = [
        (ErrorCode::InvalidProducerEpoch, plain(InvalidProducerEpochException), State::AbortableError),
        (ErrorCode::InvalidTxnState, wrapped(TransactionAbortableException), State::AbortableError),
        (ErrorCode::TransactionAbortable, wrapped(TransactionAbortableException), State::AbortableError),
        (ErrorCode::OutOfOrderSequenceNumber, wrapped(OutOfOrderSequenceException), State::AbortableError),
        (ErrorCode::MessageTooLarge, wrapped(RecordTooLargeException), State::AbortableError),
        (ErrorCode::InvalidProducerIdMapping, wrapped(InvalidPidMappingException), State::FatalError),
        (ErrorCode::ProducerFenced, plain(ProducerFencedException), State::FatalError),
    ];
    for (error, thrown, expected) in produce_errors {
        let mut lab = begun(2);
        lab.send(0..1);
        lab.produced(error, -1);
        assert_eq!(state(&lab), expected, "{error}");
        lab.call(ProducerCall::Commit);
        assert_eq!(last(&lab), (Call::CommitTransaction, thrown), "{error}");
        lab.call(ProducerCall::Abort);
        if expected == State::FatalError {
            assert_eq!(last(&lab), (Call::AbortTransaction, thrown), "{error}");
        } else {
            lab.answer(end_txn(ErrorCode::None, 7, 1));
            assert_eq!((last(&lab), state(&lab)), ((Call::AbortTransaction, None), State::Ready), "{error}");
        }
    }
    let end_txn_errors = [
        (ErrorCode::ProducerFenced, plain(ProducerFencedException), State::FatalError),
        (ErrorCode::InvalidProducerEpoch, plain(ProducerFencedException), State::FatalError),
        (ErrorCode::InvalidTxnState, plain(InvalidTxnStateException), State::FatalError),
        (ErrorCode::InvalidProducerIdMapping, plain(InvalidPidMappingException), State::FatalError),
        (ErrorCode::TransactionAbortable, plain(TransactionAbortableException), State::AbortableError),
    ];
    for (error, thrown, expected) in end_txn_errors {
        let mut lab = begun(2);
        lab.send(0..1);
        lab.produced(ErrorCode::None, 0);
        lab.call(ProducerCall::Commit);
        lab.answer(end_txn(error, -1, -1));
        assert_eq!((last(&lab), state(&lab)), ((Call::CommitTransaction, thrown), expected), "{error}");
    }
}

/// Row T40 and row 58, testDropCommitOnBatchExpiry: since 4.1 as TransactionAbortableException; one that had been sent
/// twice leaves its sequence unresolved, which is the later error.
#[test]
fn an_expired_batch_forbids_to_commit() {
    let in_vain = Some(Exception::caused_by(TransactionAbortableException, TimeoutException));
    for (request_timeout, thrown) in [(3600, in_vain), (30, plain(KafkaException))] {
        let config = ProducerConfig {
            delivery_timeout: Span::seconds(40),
            max_block: Span::seconds(7200),
            request_timeout: Span::seconds(request_timeout),
            ..config()
        };
        let mut lab = ready(config, 2);
        lab.call(ProducerCall::Begin);
        lab.send(0..1);
        lab.call(ProducerCall::Commit);
        lab.pass(Span::seconds(40));
        assert_eq!(lab.answers(), [(0, Err(Exception::new(TimeoutException)))]);
        // The thread looks around when something comes, or after `request.timeout.ms`.
        lab.pass(Span::seconds(request_timeout + 1));
        assert_eq!(last(&lab), (Call::CommitTransaction, thrown));
        assert_eq!((state(&lab), lab.count(Api::EndTxn)), (State::AbortableError, 0));
    }
}

/// Row 56, SenderTest.testTransactionalSplitBatchAndSend: the parts keep the sequences, and the transaction commits.
#[test]
fn a_transactional_batch_that_is_too_large_is_split() {
    let mut lab = Lab::with(
        ProducerConfig { batch_size: 16_384, linger: Span::ZERO, ..config() },
        testing::setup(ClusterConfig::default()),
    );
    lab.call(ProducerCall::Init);
    lab.pass(Span::millis(200));
    lab.call(ProducerCall::Begin);
    lab.send(0..2);
    assert_eq!(lab.batches().iter().map(|batch| batch.records.len()).collect::<Vec<_>>(), [2]);
    lab.producer.accumulator.set_batch_size(1);
    lab.produced(ErrorCode::MessageTooLarge, -1);
    for record in 0..2 {
        assert_eq!(lab.waiting(), [(record, 0, record as i32)]);
        lab.produced(ErrorCode::None, i64::from(record));
    }
    assert_eq!(lab.answers(), [(0, Ok(0)), (1, Ok(1))]);
    lab.call(ProducerCall::Commit);
    lab.answer(end_txn(ErrorCode::None, 7, 1));
    assert_eq!(last(&lab), (Call::CommitTransaction, None));
}

/// Row T09 and row 59, testRetryCommitTransactionAfterTimeout: only the same call may be repeated.
#[test]
fn a_call_that_timed_out_must_be_repeated() {
    let mut lab = ready(ProducerConfig { max_block: Span::seconds(5), ..config() }, 2);
    lab.call(ProducerCall::Begin);
    lab.send(0..1);
    lab.produced(ErrorCode::None, 0);
    lab.call(ProducerCall::Commit);
    lab.pass(Span::seconds(5));
    assert_eq!(last(&lab), (Call::CommitTransaction, plain(TimeoutException)));
    lab.call(ProducerCall::Abort);
    assert_eq!(last(&lab), (Call::AbortTransaction, plain(IllegalStateException)));
    lab.call(ProducerCall::Commit);
    lab.answer(end_txn(ErrorCode::None, 7, 1));
    assert_eq!(last(&lab), (Call::CommitTransaction, None));
    // Answered before it was repeated: the repetition returns at once.
    lab.call(ProducerCall::Begin);
    lab.send(1..2);
    lab.produced(ErrorCode::None, 1);
    lab.call(ProducerCall::Commit);
    lab.pass(Span::seconds(5));
    lab.answer(end_txn(ErrorCode::None, 7, 2));
    lab.call(ProducerCall::Begin);
    assert_eq!(last(&lab), (Call::Begin, plain(IllegalStateException)));
    lab.call(ProducerCall::Commit);
    assert_eq!(last(&lab), (Call::CommitTransaction, None));
}

/// Row T08, recording commit-response-lost: the coordinator is looked for, and after the back-off EndTxn goes again.
#[test]
fn end_txn_is_repeated_after_a_lost_connection() {
    let mut lab = begun(2);
    lab.send(0..1);
    lab.produced(ErrorCode::None, 0);
    lab.call(ProducerCall::Commit);
    let found = lab.count(Api::FindCoordinator);
    lab.cut();
    assert_eq!(lab.requests.len(), 0);
    lab.pass(Span::millis(500));
    assert_eq!((lab.count(Api::FindCoordinator), lab.count(Api::EndTxn)), (found + 1, 2));
    lab.answer(end_txn(ErrorCode::None, 7, 1));
    assert_eq!(last(&lab), (Call::CommitTransaction, None));
}

/// Row T21 and row 59, testIllegalGenerationInTxnOffsetCommitByGroupMetadata; kafka-semantics 3.5.
#[test]
fn a_stale_member_can_only_abort() {
    let rows = [
        (ErrorCode::IllegalGeneration, CommitFailedException, State::AbortableError),
        (ErrorCode::UnknownMemberId, CommitFailedException, State::AbortableError),
        (ErrorCode::FencedInstanceId, FencedInstanceIdException, State::AbortableError),
        (ErrorCode::TransactionAbortable, TransactionAbortableException, State::AbortableError),
        (ErrorCode::ProducerFenced, ProducerFencedException, State::FatalError),
    ];
    for (error, thrown, expected) in rows {
        let mut lab = begun(2);
        send_offsets(&mut lab);
        lab.pass(Span::millis(100));
        lab.answer(Response::TxnOffsetCommit { error });
        assert_eq!((last(&lab), state(&lab)), ((Call::SendOffsets, plain(thrown)), expected), "{error}");
    }
}

/// kafka-semantics 9, recordings crash-after-prepare and stale-group-fenced: offsets go before the records that were
/// handed over just before them, for batches wait while a transactional request is pending.
#[test]
fn batches_wait_for_transactional_requests() {
    let mut lab = begun(2);
    lab.act(|producer, out| producer.send(RecordId(0), P0, 100, out)).expect("a transaction is open");
    send_offsets(&mut lab);
    lab.pass(Span::millis(100));
    assert_eq!((api(&lab), lab.count(Api::Produce)), (Some(Api::TxnOffsetCommit), 0));
    lab.answer(Response::TxnOffsetCommit { error: ErrorCode::None });
    assert_eq!(last(&lab), (Call::SendOffsets, None));
    assert_eq!(lab.waiting(), [(0, 0, 0)]);
}

/// Version 1 (KIP-98): partitions and offsets are added first; the epoch stays.
#[test]
fn version_1_adds_partitions_first() {
    let mut lab = begun(1);
    lab.send(0..2);
    assert_eq!(api(&lab), Some(Api::AddPartitionsToTxn));
    assert_eq!(lab.requests.len(), 1, "batches wait");
    // The transaction before it is still completing: tried again after 20 ms.
    lab.answer(Response::AddPartitionsToTxn { error: ErrorCode::ConcurrentTransactions });
    lab.pass(Span::millis(20));
    lab.answer(Response::AddPartitionsToTxn { error: ErrorCode::None });
    assert_eq!(lab.waiting(), [(0, 0, 0), (1, 0, 1)]);
    lab.produced(ErrorCode::None, 0);
    lab.produced(ErrorCode::None, 1);
    send_offsets(&mut lab);
    assert_eq!(api(&lab), Some(Api::AddOffsetsToTxn));
    lab.answer(Response::AddOffsetsToTxn { error: ErrorCode::None });
    lab.pass(Span::millis(100));
    assert_eq!(api(&lab), Some(Api::TxnOffsetCommit));
    lab.answer(Response::TxnOffsetCommit { error: ErrorCode::None });
    lab.call(ProducerCall::Commit);
    lab.answer(end_txn(ErrorCode::None, -1, -1));
    assert_eq!((last(&lab), state(&lab)), ((Call::CommitTransaction, None), State::Ready));
    lab.call(ProducerCall::Begin);
    lab.send(2..3);
    assert_eq!(api(&lab), Some(Api::AddPartitionsToTxn));
    lab.answer(Response::AddPartitionsToTxn { error: ErrorCode::None });
    assert_eq!(lab.waiting(), [(2, 0, 2)], "the same epoch and the next sequence");
}

/// KIP-360 under version 1: after an error the client asks for the next epoch when it has aborted.
#[test]
fn version_1_bumps_the_epoch_after_an_abort() {
    let mut lab = begun(1);
    lab.send(0..1);
    lab.answer(Response::AddPartitionsToTxn { error: ErrorCode::None });
    lab.produced(ErrorCode::MessageTooLarge, -1);
    lab.call(ProducerCall::Abort);
    lab.answer(end_txn(ErrorCode::None, -1, -1));
    assert_eq!(state(&lab), State::Initializing);
    let Request::InitProducerId { expected, .. } = lab.requests[0].request else { panic!("not asked for") };
    assert_eq!(expected, Some((7, 0)));
    assert_ne!(last(&lab).0, Call::AbortTransaction, "abort waits for it");
    lab.answer(Response::InitProducerId { error: ErrorCode::None, producer_id: 7, producer_epoch: 1 });
    assert_eq!((last(&lab), state(&lab)), ((Call::AbortTransaction, None), State::Ready));
}

/// Row T05, recording txn-timeout-then-send-tv1: the abort finds that it was fenced.
#[test]
fn version_1_is_fenced_by_a_time_out() {
    let mut lab = begun(1);
    lab.send(0..1);
    lab.answer(Response::AddPartitionsToTxn { error: ErrorCode::None });
    lab.produced(ErrorCode::InvalidProducerEpoch, -1);
    lab.call(ProducerCall::Commit);
    assert_eq!(last(&lab), (Call::CommitTransaction, plain(InvalidProducerEpochException)));
    lab.call(ProducerCall::Abort);
    lab.answer(end_txn(ErrorCode::ProducerFenced, -1, -1));
    let fenced = plain(ProducerFencedException);
    assert_eq!((last(&lab), state(&lab)), ((Call::AbortTransaction, fenced), State::FatalError));
}

/// `RecordAccumulator.abortUndrainedBatches`: what was not sent is not sent any more; what is in flight is waited for.
#[test]
fn an_abort_drops_what_was_not_sent() {
    let mut lab = begun(2);
    lab.send(0..7);
    assert_eq!(lab.waiting().len(), 5);
    lab.call(ProducerCall::Abort);
    let aborted = Err(Exception::new(TransactionAbortedException));
    assert_eq!(lab.answers(), [(5, aborted), (6, aborted)]);
    for offset in 0..5 {
        assert_eq!(lab.count(Api::EndTxn), 0);
        lab.produced(ErrorCode::None, offset);
    }
    lab.answer(end_txn(ErrorCode::None, 7, 1));
    assert_eq!(last(&lab), (Call::AbortTransaction, None));
}

/// Row T36: a record that is too large makes its transaction abortable.
#[test]
fn a_record_that_cannot_be_sent_spoils_the_transaction() {
    let mut lab = begun(2);
    let bytes = lab.producer.max_request_size + 1;
    lab.act(|producer, out| producer.send(RecordId(0), P0, 100, out)).expect("no exception");
    lab.settle();
    lab.act(|producer, out| producer.send(RecordId(1), P0, bytes, out)).expect("the future fails");
    assert_eq!(lab.answers(), [(1, Err(Exception::new(RecordTooLargeException)))]);
    lab.call(ProducerCall::Commit);
    assert_eq!(last(&lab), (Call::CommitTransaction, wrapped(RecordTooLargeException)));
}

/// `KafkaProducer`: what the state does not allow is refused at once.
#[test]
fn calls_out_of_order_are_refused() {
    let illegal = plain(IllegalStateException);
    let mut lab = Lab::new(config(), testing::setup(ClusterConfig::default()));
    for call in [ProducerCall::Begin, ProducerCall::Commit, ProducerCall::Abort] {
        lab.call(call);
        assert_eq!(last(&lab).1, illegal, "{call:?} before initTransactions");
    }
    let mut lab = ready(config(), 2);
    for call in [ProducerCall::Init, ProducerCall::Commit, ProducerCall::Abort] {
        lab.call(call);
        assert_eq!(last(&lab).1, illegal, "{call:?} without a transaction");
    }
    // The topic's metadata are there from the first record on.
    lab.call(ProducerCall::Begin);
    lab.send(0..1);
    lab.produced(ErrorCode::None, 0);
    lab.call(ProducerCall::Commit);
    lab.answer(end_txn(ErrorCode::None, 7, 1));
    let thrown = lab.act(|producer, out| producer.send(RecordId(1), P0, 100, out));
    assert_eq!(thrown, Err(Exception::new(IllegalStateException)));
    let mut idempotent = Lab::new(ProducerConfig::default(), testing::setup(ClusterConfig::default()));
    idempotent.call(ProducerCall::Init);
    assert_eq!(last(&idempotent), (Call::Init, illegal));
}

/// kafka-semantics 1.8: `close()` sends what was handed over and aborts an open transaction.
#[test]
fn closing_aborts_an_open_transaction() {
    let mut lab = begun(2);
    lab.send(0..1);
    lab.call(ProducerCall::Close { timeout: Span::seconds(3600) });
    assert_eq!(lab.count(Api::EndTxn), 0);
    lab.produced(ErrorCode::None, 0);
    let Request::EndTxn { committed, .. } = lab.requests[0].request else { panic!("not aborted") };
    assert!(!committed);
    lab.answer(end_txn(ErrorCode::None, 7, 1));
    assert_eq!(last(&lab), (Call::Close, None));
}

/// kafka-semantics 1.8: what is not done when `close()` has waited long enough fails.
#[test]
fn closing_forcefully_fails_what_is_open() {
    let mut lab = begun(2);
    lab.send(0..1);
    lab.call(ProducerCall::Close { timeout: Span::seconds(5) });
    lab.pass(Span::seconds(5));
    assert_eq!(lab.answers(), [(0, Err(Exception::new(KafkaException)))]);
    assert_eq!((last(&lab), lab.producer.unsettled()), ((Call::Close, None), 0));
}

/// kafka-semantics 3.3, reply CONCURRENT_TRANSACTIONS: asked again every `retry.backoff.ms`.
#[test]
fn a_coordinator_that_is_busy_is_asked_again() {
    let mut lab = begun(2);
    lab.send(0..1);
    lab.produced(ErrorCode::None, 0);
    lab.call(ProducerCall::Commit);
    for attempt in 1..=3 {
        assert_eq!(lab.count(Api::EndTxn), attempt);
        lab.answer(end_txn(ErrorCode::ConcurrentTransactions, -1, -1));
        lab.pass(Span::millis(100));
    }
    lab.answer(end_txn(ErrorCode::None, 7, 1));
    assert_eq!(last(&lab), (Call::CommitTransaction, None));
}
