//! What Kafka's integration and system tests say of whole schedules (kafka-semantics 6.6), as tables: a scenario, and
//! what must be observed of it. `facts` says which fact is tested where.

use kafka_guarantees::engine::kafka::event::Event;
use kafka_guarantees::engine::kafka::types::*;
use kafka_guarantees::engine::run::{self, Run};
use kafka_guarantees::scenario;
use serde_json::{Value, json};

/// Three brokers and the short timeouts of the recordings.
const HEAD: &str = "kafka-guarantees 1\nprofile recorder\n";

fn run(text: &str) -> Run {
    let text = format!("{HEAD}{text}");
    let setup = scenario::parse(&text).unwrap_or_else(|errors| panic!("{text}\n{errors:?}"));
    let run = run::run(&setup.into());
    assert!(run.error.is_none(), "{text}\n{:?}", run.error);
    run
}

fn observed(run: &Run) -> Value {
    serde_json::to_value(run.observations()).expect("observations are JSON")
}

/// Where what is expected, a part of the observations, is not so.
fn differences(path: &str, expected: &Value, observed: &Value, out: &mut Vec<String>) {
    match (expected, observed) {
        (Value::Object(expected), Value::Object(observed)) => {
            for (key, value) in expected {
                differences(&format!("{path}.{key}"), value, observed.get(key).unwrap_or(&Value::Null), out);
            }
        }
        _ if expected == observed => {}
        _ => out.push(format!("{path}: expected {expected}, observed {observed}")),
    }
}

/// Checks a table of (Kafka's test, scenario, what is expected).
fn check(rows: &[(&str, &str, Value)]) {
    let mut wrong = Vec::new();
    for (test, text, expected) in rows {
        let mut found = Vec::new();
        differences("", expected, &observed(&run(text)), &mut found);
        if !found.is_empty() {
            wrong.push(format!("{test}\n  {}", found.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

const T: &str = "topic t replicas=B1,B2,B3 min.insync.replicas=2\n";

/// Facts 79, 80, 83: what readers see of transactions.
#[test]
fn readers_of_transactions() {
    check(&[
        (
            "TransactionsTest.testBasicTransactions",
            &format!(
                "{T}producer P transactional.id=x\nP init\nP begin\nP send r0..r1\nP flush\nP abort\nP begin\nP send r2..r3\nP commit\nwait 300ms"
            ),
            json!({"log_read_committed": ["r2", "r3"], "log_read_uncommitted": ["r0", "r1", "r2", "r3"]}),
        ),
        (
            "TransactionsTest.testReadCommittedConsumerShouldNotSeeUndecidedData",
            &format!(
                "{T}topic out replicas=B2,B3,B1 min.insync.replicas=2\nproducer P transactional.id=x\nproducer Q transactional.id=y\n\
                 P init\nQ init\nP begin\nQ begin\nQ send a0\nQ send b0 to out\nQ flush\nP send a1..a2\nP send b1..b2 to out\nP flush\n\
                 Q send a3\nQ send b3 to out\nQ flush\nQ commit\nwait 300ms\n\
                 read t read_committed as t-committed\nread out read_committed as out-committed\n\
                 read t read_uncommitted as t-all\nread out read_uncommitted as out-all\nP commit\nwait 300ms"
            ),
            json!({"reads": {
                "t-committed": ["a0"], "out-committed": ["b0"],
                "t-all": ["a0", "a1", "a2", "a3"], "out-all": ["b0", "b1", "b2", "b3"],
            }, "log_read_committed": ["a0", "a1", "a2", "a3"]}),
        ),
        (
            "TransactionsTest.testDelayedFetchIncludesAbortedTransaction",
            &format!(
                "{T}producer P transactional.id=x\nproducer Q transactional.id=y\nproducer R transactional.id=z\n\
                 consumer C group.id=g isolation.level=read_committed fetch.max.wait.ms=2000\nC poll once\n\
                 P init\nQ init\nR init\nP begin\nQ begin\nR begin\nP send a0\nP flush\nQ send b0\nQ flush\nR send c0\nR flush\nC loop\nwait 500ms\n\
                 P abort\nQ abort\nR commit\nwait 3s\nC halt"
            ),
            json!({"application_processed": ["c0"], "log_read_uncommitted": ["a0", "b0", "c0"]}),
        ),
        (
            "TransactionsTest.testSendOffsetsWithGroupMetadata",
            &format!(
                "{T}topic out replicas=B2,B3,B1 min.insync.replicas=2\nproducer F\nproducer P transactional.id=x\n\
                 consumer C group.id=g isolation.level=read_committed\nprogram P transform C to out processing=2ms\n\
                 F send r0..r9\nwait F settled\nwait 4s"
            ),
            json!({
                "topics": {"out": {"log_read_committed": ["o0", "o1", "o2", "o3", "o4", "o5", "o6", "o7", "o8", "o9"]}},
                "consumer_verdict": {"skipped": 0, "processed_again": 0},
            }),
        ),
    ]);
}

/// Facts 81, 82, 83: who fences whom, and what is left of it.
#[test]
fn fencing() {
    let two = format!(
        "{T}topic out replicas=B2,B3,B1 min.insync.replicas=2\nproducer P transactional.id=x\nproducer Q transactional.id=x\n"
    );
    let begun = format!(
        "{two}consumer C group.id=g\nC poll once\nP init\nP begin\nP send a0..a1\nP flush\nQ init\nQ begin\nQ send b0..b1\nQ flush\n"
    );
    check(&[
        (
            "TransactionsTest.testFencingOnCommit",
            &format!("{begun}P commit\nQ commit\nwait 300ms"),
            json!({
                "calls": ["P init -> ok", "P begin -> ok", "Q init -> ok", "Q begin -> ok", "P commit -> ProducerFencedException", "Q commit -> ok"],
                "log_read_committed": ["b0", "b1"],
            }),
        ),
        (
            "TransactionsTest.testFencingOnSend",
            &format!("{begun}P send a2\nwait P settled\nQ commit\nwait 300ms"),
            json!({"producer_saw": {"a2": "failed: InvalidProducerEpochException"}, "log_read_committed": ["b0", "b1"]}),
        ),
        (
            "TransactionsTest.testFencingOnSendOffsets",
            &format!("{begun}P offsets C 2\nQ commit\nwait 300ms"),
            json!({
                "calls": ["P init -> ok", "P begin -> ok", "Q init -> ok", "Q begin -> ok", "P offsets C 2 -> ProducerFencedException", "Q commit -> ok"],
                "log_read_committed": ["b0", "b1"],
            }),
        ),
        (
            "TransactionsTest.testFencingOnAddPartitions",
            &format!("{begun}P send a2 to out\nwait P settled\nQ commit\nwait 300ms"),
            json!({
                "producer_saw": {"a2": "failed: InvalidProducerEpochException"},
                "log_read_committed": ["b0", "b1"],
                "topics": {"out": {"log_read_uncommitted": []}},
            }),
        ),
        (
            "TransactionsTest.testFencingOnTransactionExpiration",
            &format!(
                "{T}producer P transactional.id=x transaction.timeout.ms=300\nP init\nP begin\nP send r0\nP flush\nwait 900ms\nP send r1\nwait P settled\nwait 300ms"
            ),
            json!({
                "producer_saw": {"r1": "failed: InvalidProducerEpochException"},
                "log_read_uncommitted": ["r0"],
                "log_read_committed": [],
            }),
        ),
        (
            "TransactionsTest.testFailureToFenceEpoch",
            // The log of transactions is below its min ISR of 2: Q cannot fence. Once it can be written, R does.
            &format!(
                "{T}producer P transactional.id=x\nproducer Q transactional.id=x max.block.ms=3000\nproducer R transactional.id=x\n\
                 P init\nP begin\nP send r0\nP commit\nwait 300ms\nB1 kill\nB2 kill\nwait leader t = B3\nQ init\n\
                 B1 start\nB2 start\nwait replicas t\nwait 3s\nR init\nR begin\nR send r1\nR commit\nP begin\nP send r2\nwait P settled\nwait 300ms"
            ),
            json!({
                "calls": [
                    "P init -> ok", "P begin -> ok", "P commit -> ok", "Q init -> TimeoutException",
                    "R init -> ok", "R begin -> ok", "R commit -> ok", "P begin -> ok",
                ],
                "producer_saw": {"r2": "failed: InvalidProducerEpochException"},
                "log_read_committed": ["r0", "r1"],
            }),
        ),
    ]);
}

/// Fact 83, `TransactionsTest.testBumpTransactionalEpochWithTV2Enabled`: each end of a transaction raises the epoch by
/// one, a commit as well as an abort; the marker has the raised one.
#[test]
fn each_transaction_has_its_epoch() {
    let run = run(&format!(
        "{T}producer P transactional.id=x\nP init\nP begin\nP send r0\nP commit\nP begin\nP send r1\nP flush\nP abort\nP begin\nP send r2\nP commit\nwait 300ms"
    ));
    let epochs: Vec<(ProducerEpoch, bool)> = run
        .world
        .stage
        .trace
        .entries()
        .iter()
        .filter_map(|entry| match entry.event {
            Event::BatchAppended { batch }
                if batch.partition == PartitionId::DEFAULT && entry.actor == Node::Broker(BrokerId(1)) =>
            {
                Some((batch.producer_epoch, batch.is_marker()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(epochs, [(0, false), (1, true), (1, false), (2, true), (2, false), (3, true)]);
}

/// Facts 84 and 87: what expires, and what that does to its producer.
#[test]
fn expiry() {
    let cluster = "cluster producer.id.expiration.ms=2000 producer.id.expiration.check.interval.ms=500\n";
    check(&[
        (
            "ProducerIdExpirationTest.testProducerIdExpirationWithNoTransactions",
            &format!("{cluster}{T}producer P\nP send r0\nwait P settled\nwait 4s\nP send r1\nwait P settled"),
            json!({"verdict": {"acknowledged_lost": 0, "duplicates": 0}, "log_read_uncommitted": ["r0", "r1"]}),
        ),
        (
            "TransactionsExpirationTest.testTransactionAfterProducerIdExpires",
            &format!(
                "{cluster}{T}producer P transactional.id=x\nP init\nP begin\nP send r0\nP commit\nwait 4s\nP begin\nP send r1\nP commit\nwait 300ms"
            ),
            json!({
                "calls": ["P init -> ok", "P begin -> ok", "P commit -> ok", "P begin -> ok", "P commit -> ok"],
                "log_read_committed": ["r0", "r1"],
            }),
        ),
    ]);
}

/// Fact 86.
#[test]
fn producers_that_fail() {
    check(&[
        (
            "ProducerFailureHandlingTest.testTooLargeRecordWithAckZero",
            "topic t replicas=B1,B2,B3 max.message.bytes=1000\nproducer P acks=0\nP send r0 size=5000\nwait P settled\nwait 300ms",
            json!({"verdict": {"acknowledged_lost": 1}, "log_read_uncommitted": []}),
        ),
        (
            "ProducerFailureHandlingTest.testNotEnoughReplicasAfterBrokerShutdown",
            &format!(
                "{T}producer P acks=all retries=2 enable.idempotence=false\nP send r0\nwait P settled\nB2 stop\nB3 stop\nwait isr t = B1\nP send r1\nwait P settled"
            ),
            json!({"producer_saw": {"r1": "failed: NotEnoughReplicasException"}, "log_read_uncommitted": ["r0"]}),
        ),
    ]);
}

/// Fact 88: what an unclean election costs.
#[test]
fn unclean_leader_election() {
    let text = |unclean, wait: &str| {
        format!(
            "topic t replicas=B1,B2 min.insync.replicas=1 unclean.leader.election.enable={unclean}\nproducer P acks=all\n\
             P send first\nwait P settled\nwait 500ms\nB2 kill\nwait isr t = B1\nP send second\nwait P settled\n\
             B1 kill\nB2 start\n{wait}\nP send third\nwait P settled"
        )
    };
    check(&[
        (
            "UncleanLeaderElectionTest.testUncleanLeaderElectionEnabled",
            &text(true, "wait leader t = B2"),
            json!({"log_read_uncommitted": ["first", "third"], "verdict": {"acknowledged_lost": 1}}),
        ),
        (
            "UncleanLeaderElectionTest.testUncleanLeaderElectionDisabled",
            &text(false, "wait leader t = none\nwait 3s\nB1 start\nwait leader t = B1"),
            json!({"log_read_uncommitted": ["first", "second", "third"], "verdict": {"acknowledged_lost": 0}}),
        ),
    ]);
}

/// How the system tests treat a broker: what is done, and what is done to have it back.
const BOUNCES: [(&str, &str); 4] = [
    ("clean shutdown", "stop"),
    ("hard shutdown", "kill"),
    ("clean bounce", "stop for 3s"),
    ("hard bounce", "kill for 3s"),
];

/// Fact 89, kafkatest `replication_test.test_replication_with_broker_failure`: whatever happens to the leader, what was
/// acknowledged is in the log; with idempotence once.
#[test]
fn brokers_fail_while_records_are_produced() {
    for idempotence in [true, false] {
        for (failure, step) in BOUNCES {
            let run = run(&format!(
                "{T}producer P acks=all enable.idempotence={idempotence}\nprogram P produce 60 every 20ms\nat 300ms B1 {step}"
            ));
            let observed = observed(&run);
            let what = format!("{failure}, idempotence {idempotence}");
            assert_eq!(observed["verdict"]["acknowledged_lost"], 0, "{what}");
            let acknowledged = observed["producer_saw"].as_object().expect("the records").values();
            assert!(
                acknowledged.filter(|saw| saw.as_str().is_some_and(|saw| saw.starts_with("ack"))).count()
                    >= 50,
                "{what}"
            );
            if idempotence {
                assert_eq!(observed["verdict"]["duplicates"], 0, "{what}");
                assert_eq!(observed["verdict"]["reordered_pairs"], 0, "{what}");
            }
        }
    }
}

/// Fact 91, kafkatest `replication_replica_failure_test.test_replication_with_replica_failure`: a follower dies for good.
#[test]
fn a_follower_fails_while_records_are_produced() {
    let run = run(&format!(
        "{T}producer P acks=all\nconsumer C group.id=g\nprogram P produce 60 every 20ms\nprogram C consume commit=after-batch\nat 300ms B3 kill"
    ));
    let observed = observed(&run);
    assert_eq!(
        observed["verdict"],
        json!({
            "acknowledged_lost": 0, "failed_yet_in_log": 0, "duplicates": 0, "reordered_pairs": 0,
            "aborted_yet_visible": 0, "committed_not_visible": 0,
        })
    );
    assert_eq!(observed["consumer_verdict"]["skipped"], 0);
    assert_eq!(observed["log_read_uncommitted"].as_array().map(Vec::len), Some(60));
}

/// Facts 85 and 90, `TransactionsBounceTest.testWithGroupMetadata` and kafkatest
/// `transactions_test.test_transactions`, `group_mode_transactions_test.test_transactions`: brokers or the copying process
/// are bounced; the output is the input, each record once and in order.
#[test]
fn brokers_and_clients_bounce_while_transactions_copy() {
    let brokers = |step: &str| format!("at 400ms B1 {step}\nat 4500ms B2 {step}\nat 9s B3 {step}");
    let failures = [
        ("brokers, hard", brokers("kill for 3s")),
        ("brokers, clean", brokers("stop for 3s")),
        (
            "clients, hard",
            "on P begun 3 P crash for 1s\non P processed 8 P crash for 1s\nat 7s P crash for 1s".to_string(),
        ),
        (
            "clients, between offsets and commit",
            "on P offsets-sent 2 P crash for 1s\non P offsets-sent 4 P crash for 1s".to_string(),
        ),
    ];
    let expected: Vec<String> = (0..40).map(|number| format!("o{number}")).collect();
    for (failure, steps) in failures {
        let run = run(&format!(
            "{T}topic out replicas=B2,B3,B1 min.insync.replicas=2\nproducer F acks=all\nproducer P transactional.id=x\n\
             consumer C group.id=g isolation.level=read_committed max.poll.records=3\n\
             program F produce 40 every 250ms\nprogram P transform C to out processing=2ms\n{steps}"
        ));
        let observed = observed(&run);
        assert_eq!(observed["topics"]["out"]["log_read_committed"], json!(expected), "{failure}");
        assert_eq!(observed["consumer_verdict"]["skipped"], 0, "{failure}");
        let ended = |event: &Event| {
            matches!(event, Event::BrokerKilled | Event::BrokerStopped | Event::ClientCrashed)
        };
        let failed = run.world.stage.trace.entries().iter().filter(|entry| ended(&entry.event)).count();
        assert!(failed >= 2, "{failure}: {failed} processes ended");
    }
}

/// Fact 91, kafkatest `consumer_test.test_consumer_failure`: after a clean end the group goes on where the consumer was,
/// after a hard one at most there.
#[test]
fn consumers_fail() {
    for (how, again) in [("close", false), ("crash", true)] {
        let run = run(&format!(
            "{T}producer F\nconsumer C group.id=g enable.auto.commit=true auto.commit.interval.ms=60000\n\
             F send r0..r9\nwait F settled\nC poll 10\nC process\nC {how}\nC restart\nC drain"
        ));
        let observed = observed(&run);
        assert_eq!(observed["consumer_verdict"]["skipped"], 0, "{how}");
        assert_eq!(observed["consumer_verdict"]["processed_again"], if again { 10 } else { 0 }, "{how}");
    }
}

/// Fact 91, kafkatest `truncation_test.test_offset_truncate` and `eligible_leader_replicas_test.test_basic_eligible_leader_replicas`.
#[test]
fn truncation_and_eligible_leader_replicas() {
    check(&[
        (
            "truncation_test.test_offset_truncate",
            // B2 stops fetching before r2 and is elected uncleanly: the consumer, which knows epochs, goes back to where
            // the logs part.
            "topic t replicas=B1,B2 min.insync.replicas=1 unclean.leader.election.enable=true\nproducer P acks=all\nconsumer C group.id=g\n\
             P send r0..r1\nwait P settled\nwait 500ms\nB2 kill\nwait isr t = B1\nP send r2..r4\nwait P settled\nC poll 5\nC process\n\
             B1 kill\nB2 start\nwait leader t = B2\nP send r5..r8\nwait P settled\nC drain",
            json!({
                "log_read_uncommitted": ["r0", "r1", "r5", "r6", "r7", "r8"],
                "application_processed": ["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"],
                "consumer_verdict": {"skipped": 0},
            }),
        ),
        (
            "eligible_leader_replicas_test.test_basic_eligible_leader_replicas",
            // The last in-sync replica loses power; who left the ISR below min.insync.replicas is elected.
            "cluster eligible.leader.replicas.version=1\ntopic t replicas=B1,B2 min.insync.replicas=2\nproducer P acks=all\n\
             P send r0\nwait P settled\nwait 500ms\nB1 stop\nwait isr t = B2\nB2 lose-power 0\nB1 start\nwait leader t = B1\nB2 start\nwait replicas t",
            json!({"log_read_uncommitted": ["r0"], "verdict": {"acknowledged_lost": 0}}),
        ),
    ]);
}
