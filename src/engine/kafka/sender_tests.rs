//! What Kafka's own tests of the producer client say (kafka-semantics 6.3, rows 45 to 57), asked of this producer.

use super::config::{Acks, ClusterConfig, ProducerConfig};
use super::error::{ErrorCode, Exception, ExceptionClass};
use super::message::{Api, Response};
use super::producer_lab::{Lab, P0};
use super::testing;
use super::types::*;
use crate::engine::sim::time::Span;
use ErrorCode::{MessageTooLarge, NotEnoughReplicas, NotLeaderOrFollower, OutOfOrderSequenceNumber};

fn setup() -> crate::engine::script::Setup {
    testing::setup(ClusterConfig::default())
}

fn idempotent() -> Lab {
    Lab::new(ProducerConfig::default(), setup())
}

fn plain() -> ProducerConfig {
    ProducerConfig { enable_idempotence: false, ..ProducerConfig::default() }
}

fn failed(class: ExceptionClass) -> Result<Offset, Exception> {
    Err(Exception::new(class))
}

/// A back-off of the first retry at most: 100 ms and a fifth.
const BACKOFF: Span = Span::millis(121);

/// Rows P28, P30 and P31; kafka-semantics 1.4: without idempotence the retried batches come in reverse order, with
/// it one at a time in the order of sequences, with one request in flight in order.
#[test]
fn a_lost_connection_reverses_what_has_no_sequences() {
    let sent = |config: ProducerConfig| {
        let mut lab = Lab::new(config, setup());
        lab.send(0..5);
        lab.cut();
        lab.pass(BACKOFF);
        let mut records = Vec::new();
        while let Some(first) = lab.waiting().first() {
            records.push(first.0);
            lab.produced(ErrorCode::None, records.len() as i64);
        }
        records
    };
    assert_eq!(sent(plain()), [4, 3, 2, 1, 0]);
    assert_eq!(sent(ProducerConfig::default()), [0, 1, 2, 3, 4]);
    assert_eq!(sent(ProducerConfig { max_in_flight_requests_per_connection: 1, ..plain() }), [0, 1, 2, 3, 4]);
}

/// Row 45, SenderTest.testRetries: retries=1 allows two attempts.
#[test]
fn retries_are_counted() {
    let mut lab = Lab::new(ProducerConfig { retries: 1, ..plain() }, setup());
    lab.send(0..1);
    lab.cut();
    lab.pass(BACKOFF);
    assert_eq!(lab.waiting().len(), 1);
    lab.cut();
    lab.pass(Span::seconds(1));
    assert_eq!(lab.answers(), [(0, failed(ExceptionClass::NetworkException))]);
    assert_eq!(lab.count(Api::Produce), 2);
}

/// Row 46, SenderTest.testSendInOrder: with one request in flight a partition sends nothing to its new leader before
/// the old one has answered.
#[test]
fn a_muted_partition_waits_for_its_answer() {
    let mut lab = Lab::new(ProducerConfig { max_in_flight_requests_per_connection: 1, ..plain() }, setup());
    lab.connect_second_broker();
    lab.send(0..1);
    lab.new_leader(2, 1);
    lab.learn();
    lab.send(1..2);
    assert_eq!(lab.waiting(), [(0, -1, -1)]);
    lab.produced(ErrorCode::None, 0);
    assert_eq!(lab.waiting(), [(1, -1, -1)]);
}

/// Row 47, SenderTest.testIdempotenceWithMultipleInflightsRetriedInOrder.
#[test]
fn batches_are_retried_one_at_a_time_in_the_order_of_sequences() {
    let mut lab = idempotent();
    lab.send(0..3);
    assert_eq!(lab.waiting(), [(0, 0, 0), (1, 0, 1), (2, 0, 2)]);
    lab.produced(ErrorCode::LeaderNotAvailable, -1);
    lab.produced(OutOfOrderSequenceNumber, -1);
    lab.produced(OutOfOrderSequenceNumber, -1);
    for record in 0..3 {
        lab.pass(BACKOFF);
        assert_eq!(lab.waiting(), [(record, 0, record as i32)]);
        lab.produced(ErrorCode::None, i64::from(record));
    }
    assert_eq!(lab.answers(), [(0, Ok(0)), (1, Ok(1)), (2, Ok(2))]);
}

/// Row 48, testIdempotenceWithMultipleInflightsWhereFirstFailsFatallyAndSequenceOfFutureBatchesIsAdjusted: the epoch is bumped by the client.
#[test]
fn sequences_start_again_under_a_new_epoch_after_a_definite_failure() {
    let mut lab = idempotent();
    lab.send(0..2);
    lab.produced(MessageTooLarge, -1);
    assert_eq!(lab.answers(), [(0, failed(ExceptionClass::RecordTooLargeException))]);
    lab.produced(OutOfOrderSequenceNumber, -1);
    lab.pass(BACKOFF);
    assert_eq!(lab.waiting(), [(1, 1, 0)]);
    lab.produced(ErrorCode::None, 0);
    assert_eq!(lab.answers()[1], (1, Ok(0)));
}

/// Row P51 (`bumpIdempotentEpochAndResetIdIfNeeded`): after epoch 32767 comes another producer id.
#[test]
fn an_exhausted_epoch_takes_a_new_producer_id() {
    let mut lab = idempotent();
    for _ in 0..ProducerEpoch::MAX {
        lab.send(0..1);
        lab.produced(MessageTooLarge, -1);
    }
    lab.send(1..2);
    assert_eq!(lab.waiting(), [(1, 32767, 0)]);
    assert_eq!(lab.count(Api::InitProducerId), 1);
    lab.produced(MessageTooLarge, -1);
    lab.send(2..3);
    assert_eq!(lab.count(Api::InitProducerId), 2);
    assert_eq!(lab.waiting(), [(2, 0, 0)]);
}

/// Row 49, testCorrectHandlingOfOutOfOrderResponses: the second answer comes first.
#[test]
fn answers_may_come_in_any_order() {
    let mut lab = idempotent();
    lab.connect_second_broker();
    lab.send(0..1);
    // The second batch goes to a new leader, over another connection.
    lab.new_leader(2, 1);
    lab.learn();
    lab.send(1..2);
    assert_eq!(lab.waiting(), [(0, 0, 0), (1, 0, 1)]);
    let produced = |lab: &mut Lab, error| {
        let partition =
            super::message::ProducedPartition { partition: P0, error, base_offset: -1, current_leader: None };
        Response::Produce { partitions: lab.stage.arenas.produced.list([partition]) }
    };
    let response = produced(&mut lab, OutOfOrderSequenceNumber);
    lab.answer_nth(1, response);
    let response = produced(&mut lab, NotLeaderOrFollower);
    lab.answer_nth(0, response);
    lab.pass(BACKOFF);
    assert_eq!(lab.waiting(), [(0, 0, 0)], "one at a time");
    lab.produced(ErrorCode::None, 0);
    assert_eq!(lab.waiting(), [(1, 0, 1)]);
    lab.produced(ErrorCode::None, 1);
    assert_eq!(lab.answers(), [(0, Ok(0)), (1, Ok(1))]);
}

/// Row 50, SenderTest.testCorrectHandlingOfOutOfOrderResponsesWhenSecondSucceeds: the second batch is acknowledged before
/// the first; the first one's success does not turn the last acknowledged sequence back.
#[test]
fn the_second_batch_may_succeed_first() {
    let mut lab = idempotent();
    lab.connect_second_broker();
    lab.send(0..1);
    lab.new_leader(2, 1);
    lab.learn();
    lab.send(1..2);
    lab.produced_nth(1, ErrorCode::None, 1);
    lab.produced(ErrorCode::RequestTimedOut, -1);
    lab.pass(BACKOFF);
    assert_eq!(lab.waiting(), [(0, 0, 0)]);
    lab.produced(ErrorCode::None, 0);
    assert_eq!(lab.answers(), [(1, Ok(1)), (0, Ok(0))]);
    // Sequence 2 is still the next one: a gap there, and only there, bumps the epoch.
    lab.send(2..3);
    assert_eq!(lab.waiting(), [(2, 0, 2)]);
    lab.produced(OutOfOrderSequenceNumber, -1);
    lab.pass(BACKOFF);
    assert_eq!(lab.waiting(), [(2, 1, 0)]);
}

/// Row P32, the cold producer id: the first batch is out of order for ever, and nothing overtakes it.
#[test]
fn a_first_batch_that_lost_its_place_is_retried_until_it_expires() {
    let mut lab = idempotent();
    lab.send(0..2);
    lab.produced(NotEnoughReplicas, -1);
    lab.produced(ErrorCode::None, 0);
    for _ in 0..10 {
        lab.pass(Span::seconds(2));
        assert_eq!(lab.waiting(), [(0, 0, 0)], "no epoch bump");
        lab.produced(OutOfOrderSequenceNumber, -1);
    }
    lab.pass(Span::seconds(120));
    assert_eq!(lab.answers()[1], (0, failed(ExceptionClass::TimeoutException)));
}

/// Row 51, testEpochBumpOnOutOfOrderSequenceForNextBatch.
#[test]
fn a_gap_before_the_next_batch_bumps_the_epoch() {
    let mut lab = idempotent();
    lab.send(0..2);
    lab.produced(ErrorCode::None, 0);
    lab.produced(ErrorCode::None, 1);
    lab.send(2..3);
    lab.produced(OutOfOrderSequenceNumber, -1);
    lab.pass(BACKOFF);
    assert_eq!(lab.waiting(), [(2, 1, 0)]);
    lab.produced(ErrorCode::None, 2);
    lab.send(3..4);
    assert_eq!(lab.waiting(), [(3, 1, 1)]);
}

/// Row P59, KAFKA-14034: the bump renumbers a batch that may be in the log.
#[test]
fn the_epoch_bump_renumbers_what_is_in_flight() {
    let mut lab = idempotent();
    lab.connect_second_broker();
    lab.send(0..1);
    lab.new_leader(2, 1);
    lab.learn();
    lab.send(1..2);
    lab.produced_nth(1, MessageTooLarge, -1);
    lab.cut();
    lab.pass(Span::seconds(1));
    assert_eq!(lab.waiting(), [(0, 1, 0)]);
}

/// Row 52, testExpiryOfFirstBatchShouldCauseEpochBumpIfFutureBatchesFail,
/// testExpiryOfFirstBatchShouldNotCauseEpochBumpIfFutureBatchesSucceed; kafka-semantics 1.6.
#[test]
fn an_expired_batch_holds_new_ones_until_its_fate_is_known() {
    for (answer, next) in [(OutOfOrderSequenceNumber, (1, 1, 0)), (ErrorCode::None, (2, 0, 2))] {
        let config = ProducerConfig { delivery_timeout: Span::seconds(10), ..ProducerConfig::default() };
        let config = ProducerConfig { request_timeout: Span::seconds(9), ..config };
        let mut lab = Lab::new(config, setup());
        lab.send(0..1);
        lab.pass(Span::seconds(5));
        lab.send(1..2);
        lab.produced(NotLeaderOrFollower, -1);
        // The second stays in flight while the first, queued again, passes its time.
        lab.new_leader(2, 1);
        lab.pass(Span::seconds(1));
        let retried = lab.waiting();
        assert!(retried.contains(&(0, 0, 0)), "{retried:?}");
        lab.pass(Span::seconds(4));
        assert_eq!(lab.answers(), [(0, failed(ExceptionClass::TimeoutException))]);
        lab.send(2..3);
        lab.pass(Span::millis(200));
        assert_eq!(lab.waiting().len(), 2, "a new batch waits");
        // The answer to the second.
        let index = lab.waiting().iter().position(|batch| batch.0 == 1).expect("in flight");
        let offset = if answer == ErrorCode::None { 1 } else { -1 };
        lab.produced_nth(index, answer, offset);
        lab.pass(BACKOFF);
        assert!(lab.waiting().contains(&next), "{answer}: {:?}", lab.waiting());
    }
}

/// Row 53, testExpiryOfAllSentBatchesShouldCauseUnresolvedSequences,
/// testExpiryOfUnsentBatchesShouldNotCauseUnresolvedSequences; row 58,
/// testBumpEpochAfterTimeoutWithoutPendingInflightRequests: only what was in flight before
/// makes the epoch rise.
#[test]
fn only_what_was_sent_before_is_suspected() {
    for (retried, next) in [(true, (1, 1, 0)), (false, (1, 0, 1))] {
        let config = ProducerConfig { delivery_timeout: Span::seconds(10), ..ProducerConfig::default() };
        let mut lab = Lab::new(ProducerConfig { request_timeout: Span::seconds(3600), ..config }, setup());
        lab.send(0..1);
        if retried {
            lab.produced(NotLeaderOrFollower, -1);
        }
        lab.pass(Span::seconds(10));
        assert_eq!(lab.answers(), [(0, failed(ExceptionClass::TimeoutException))]);
        lab.send(1..2);
        assert_eq!(lab.waiting().last(), Some(&next), "retried: {retried}");
    }
}

/// Row 54, testInflightBatchesExpireOnDeliveryTimeout and testExpiredBatchDoesNotRetry: a late answer changes nothing.
#[test]
fn a_late_answer_changes_nothing() {
    let config = ProducerConfig { delivery_timeout: Span::seconds(4), ..plain() };
    let mut lab = Lab::new(ProducerConfig { request_timeout: Span::seconds(3600), ..config }, setup());
    lab.send(0..1);
    lab.pass(Span::seconds(4));
    assert_eq!(lab.answers(), [(0, failed(ExceptionClass::TimeoutException))]);
    lab.produced(NotEnoughReplicas, -1);
    lab.pass(Span::seconds(1));
    assert_eq!((lab.answers().len(), lab.count(Api::Produce)), (1, 1));
}

/// Row 55, testWhenFirstBatchExpireNoSendSecondBatchIfGuaranteeOrder.
#[test]
fn an_expired_batch_still_mutes_its_partition() {
    let config = ProducerConfig { delivery_timeout: Span::millis(1500), ..plain() };
    let config = ProducerConfig {
        max_in_flight_requests_per_connection: 1,
        request_timeout: Span::seconds(3600),
        ..config
    };
    let mut lab = Lab::new(config, setup());
    lab.send(0..1);
    lab.pass(Span::millis(750));
    lab.send(1..2);
    lab.pass(Span::millis(1000));
    assert_eq!(lab.answers(), [(0, failed(ExceptionClass::TimeoutException))]);
    assert_eq!(lab.waiting(), [(0, -1, -1)], "the second waits for the first request");
    lab.produced(ErrorCode::None, 0);
    assert_eq!(lab.waiting(), [(1, -1, -1)]);
}

/// Row 56, testIdempotentSplitBatchAndSend: the parts keep the sequences.
#[test]
fn a_batch_that_is_too_large_is_split() {
    let config = ProducerConfig { batch_size: 16_384, ..ProducerConfig::default() };
    let mut lab = Lab::with(config, setup());
    lab.send(0..4);
    lab.pass(Span::millis(5));
    assert_eq!(lab.batches().iter().map(|batch| batch.records.len()).collect::<Vec<_>>(), [4]);
    lab.producer.accumulator.set_batch_size(1);
    lab.produced(MessageTooLarge, -1);
    for record in 0..4 {
        assert_eq!(lab.waiting(), [(record, 0, record as i32)]);
        lab.produced(ErrorCode::None, i64::from(record));
    }
    assert_eq!(lab.answers(), [(0, Ok(0)), (1, Ok(1)), (2, Ok(2)), (3, Ok(3))]);
}

/// KAFKA-8350, and row P49: a batch within `batch.size` comes out whole, and is sent again. Kafka does not pause before
/// it does; the model does, so that 120 s of it come to an end.
#[test]
fn a_batch_within_its_size_cannot_be_split() {
    let config = ProducerConfig { batch_size: 16_384, ..ProducerConfig::default() };
    let mut lab = Lab::with(config, setup());
    lab.send(0..4);
    lab.pass(Span::millis(5));
    for _ in 0..3 {
        lab.produced(MessageTooLarge, -1);
        lab.pass(Span::millis(20));
        assert_eq!(lab.batches().iter().map(|batch| batch.records.len()).collect::<Vec<_>>(), [4]);
    }
    lab.pass(Span::seconds(120));
    assert_eq!(lab.answers(), [0, 1, 2, 3].map(|record| (record, failed(ExceptionClass::TimeoutException))));
}

/// Row 57, RecordAccumulatorTest.testExponentialRetryBackoff: 100 ms doubled, at most 1 s, and a fifth more or less.
#[test]
fn retries_back_off_exponentially() {
    let mut lab = Lab::new(plain(), setup());
    lab.send(0..1);
    for term in [100, 200, 400, 800, 1000, 1000] {
        lab.produced(NotEnoughReplicas, -1);
        lab.pass(Span::millis(term * 8 / 10 - 1));
        assert_eq!(lab.waiting(), [], "not before {} ms", term * 8 / 10);
        lab.pass(Span::millis(term * 4 / 10 + 2));
        assert_eq!(lab.waiting().len(), 1, "not after {} ms", term * 12 / 10);
    }
}

/// Row 57, testExponentialRetryBackoffLeaderChange (KIP-951): no back-off under a new leader.
#[test]
fn a_new_leader_ends_the_back_off() {
    let mut lab = Lab::new(plain(), setup());
    lab.send(0..1);
    lab.pass(Span::seconds(3));
    let hint = super::message::ProducedPartition {
        partition: P0,
        error: NotLeaderOrFollower,
        base_offset: -1,
        current_leader: Some((BrokerId(2), 1)),
    };
    let partitions = lab.stage.arenas.produced.list([hint]);
    lab.answer(Response::Produce { partitions });
    assert_eq!(lab.waiting(), [(0, -1, -1)]);
}

/// Row P05 and kafka-semantics 1.4: acks=0 succeeds with the writing, without an offset; row P06: no retry.
#[test]
fn acks_0_is_done_when_written() {
    for max_in_flight in [1, 5] {
        let config = ProducerConfig {
            acks: Acks::None,
            max_in_flight_requests_per_connection: max_in_flight,
            ..plain()
        };
        let mut lab = Lab::new(config, setup());
        lab.send(0..100);
        assert_eq!(lab.answers().len(), 100);
        assert!(lab.answers().iter().all(|answer| answer.1 == Ok(-1)));
        assert_eq!(lab.producer.unsettled(), 0);
    }
}

/// kafka-semantics 1.3: records of one instant share a batch up to `batch.size`; a batch lingers.
#[test]
fn batches_linger() {
    let config = ProducerConfig { batch_size: 400, linger: Span::millis(5), ..plain() };
    let mut lab = Lab::with(config, setup());
    lab.send(0..2);
    assert_eq!(lab.waiting(), []);
    lab.pass(Span::millis(5));
    assert_eq!(lab.batches()[0].records.len(), 2);
    lab.produced(ErrorCode::None, 0);
    // A full batch goes at once; the one behind it too once it is alone and has lingered.
    lab.send(2..6);
    assert_eq!(lab.batches()[0].records.len(), 3);
    lab.pass(Span::millis(5));
    assert_eq!(lab.batches()[1].records.len(), 1);
}

/// kafka-semantics 1.1: `max.block.ms` bounds the wait for memory, and the record's future fails.
#[test]
fn memory_is_waited_for() {
    let config = ProducerConfig { buffer_memory: 400, ..plain() };
    let mut lab = Lab::new(ProducerConfig { max_block: Span::seconds(10), ..config }, setup());
    lab.send(0..4);
    assert_eq!(lab.waiting().len(), 2);
    lab.produced(ErrorCode::None, 0);
    assert_eq!(lab.waiting().len(), 2, "a place became free");
    lab.pass(Span::seconds(10));
    assert_eq!(lab.answers()[1], (3, failed(ExceptionClass::BufferExhaustedException)));
}
