//! What consumers lose and repeat, as a table: each row is a scenario and what must come of it. What has been
//! recorded from a real Kafka is in `recordings`; these are the rules beside it.

use kafka_guarantees::engine::kafka::event::Event;
use kafka_guarantees::engine::kafka::message::Request;
use kafka_guarantees::engine::kafka::types::ApplicationId;
use kafka_guarantees::engine::run;
use kafka_guarantees::scenario;
use serde_json::Value;

struct Row {
    /// The rule and where it is from.
    rule: &'static str,
    /// Settings of the consumer `C`, beside `group.id=g`.
    consumer: &'static str,
    /// Declarations and steps. Ten records `r0..r9` are in the topic, or what the steps say.
    steps: &'static str,
    calls: &'static [&'static str],
    /// How many records were never processed, and how many processings were repeated.
    verdict: (u64, u64),
}

const ROWS: &[Row] = &[
    Row {
        rule: "an automatic commit covers earlier polls only (kafka-semantics C03; ConsumerCoordinatorTest.testAutoCommitAwaitsInterval)",
        consumer: "enable.auto.commit=true auto.commit.interval.ms=500 max.poll.records=5",
        steps: "C poll 5\nC process\nwait 600ms\nC poll 5\nC process 2\nC crash\nC restart\nC drain",
        calls: &[],
        verdict: (0, 2),
    },
    Row {
        rule: "before the interval has passed nothing is committed (testAutoCommitAwaitsInterval)",
        consumer: "enable.auto.commit=true auto.commit.interval.ms=60000 max.poll.records=5",
        steps: "C poll 5\nC process\nC poll 5\nC crash\nC restart\nC drain",
        calls: &[],
        verdict: (0, 5),
    },
    Row {
        rule: "close() commits what was returned, processed or not (C05; PlaintextConsumerCommitTest.testClassicConsumerAutoCommitOnClose)",
        consumer: "enable.auto.commit=true auto.commit.interval.ms=60000",
        steps: "C poll 10\nC process 3\nC close\nC restart\nC drain",
        calls: &[],
        verdict: (7, 0),
    },
    Row {
        rule: "close() commits a position that was sought (testClassicConsumerAutoCommitOnClose)",
        consumer: "enable.auto.commit=true auto.commit.interval.ms=60000 max.poll.records=1",
        steps: "C poll 1\nC seek 6\nC close\nC restart\nC drain",
        calls: &[],
        verdict: (6, 0),
    },
    Row {
        rule: "close() without automatic commits commits nothing (4.3)",
        consumer: "",
        steps: "C poll 10\nC process 3\nC close\nC restart\nC drain",
        calls: &[],
        verdict: (0, 3),
    },
    Row {
        rule: "whoever exceeds max.poll.interval.ms leaves, and its commit fails (C09; ConsumerCoordinatorTest.testCommitOffsetUnknownMemberId)",
        consumer: "max.poll.interval.ms=6000",
        steps: "C poll 10\nC process 4\nwait 7s\nC process 6\nC commit\nC drain\nC commit",
        calls: &["C commit -> CommitFailedException", "C commit -> ok"],
        verdict: (0, 10),
    },
    Row {
        rule: "a lower offset overwrites a higher one (C12)",
        consumer: "",
        steps: "C poll 10\nC process\nC commit\nC commit 5\nC crash\nC restart\nC drain",
        calls: &["C commit -> ok", "C commit 5 -> ok"],
        verdict: (0, 5),
    },
    Row {
        rule: "a static member that restarts within its session gets its partition without a rebalance (C24)",
        consumer: "group.instance.id=i session.timeout.ms=30000",
        steps: "C poll 10\nC process 5\nC crash\nC restart\nC drain",
        calls: &[],
        verdict: (0, 5),
    },
    Row {
        rule: "commitSync() gives up after default.api.timeout.ms, and may have committed (4.4)",
        consumer: "session.timeout.ms=30000 default.api.timeout.ms=5000",
        steps: "C poll 10\nC process\nlink C->* hold\nC commit\nlink C->* open\nC commit",
        calls: &["C commit -> TimeoutException", "C commit -> ok"],
        verdict: (0, 0),
    },
    Row {
        rule: "a consumer that has not joined commits nothing (sendOffsetCommitRequest)",
        consumer: "",
        steps: "C commit\nC commit 3\nC drain",
        calls: &["C commit -> ok", "C commit 3 -> CommitFailedException"],
        verdict: (0, 0),
    },
    Row {
        rule: "auto.offset.reset=none and no committed offset (4.2)",
        consumer: "auto.offset.reset=none",
        steps: "C poll 10",
        calls: &["C poll 10 -> NoOffsetForPartitionException"],
        verdict: (10, 0),
    },
    Row {
        rule: "auto.offset.reset=none and deleted records (C21; FetchCollectorTest.testFetchWithOffsetOutOfRange)",
        consumer: "",
        steps: "consumer D group.id=g auto.offset.reset=none\nC poll 10\nC process 3\nC commit 3\nC close\nt delete-records 6\nD poll 4",
        calls: &["C commit 3 -> ok", "D poll 4 -> OffsetOutOfRangeException"],
        verdict: (7, 0),
    },
    Row {
        rule: "auto.offset.reset=latest and deleted records: on to the end (C21)",
        consumer: "",
        steps: "consumer D group.id=g auto.offset.reset=latest\nC poll 10\nC process 3\nC commit 3\nC close\nt delete-records 6\nD drain",
        calls: &["C commit 3 -> ok"],
        verdict: (7, 0),
    },
    Row {
        rule: "a new owner does not begin while the old one's transaction is open (T41)",
        consumer: "",
        steps: "producer P transactional.id=x transaction.timeout.ms=60000\nC poll 10\nP init\nP begin\nP offsets C 10\nP crash\nC crash\nC restart\nC drain",
        calls: &["P init -> ok", "P begin -> ok", "P offsets C 10 -> ok"],
        verdict: (10, 0),
    },
    Row {
        rule: "and begins where it was when that transaction is aborted (T11, T41)",
        consumer: "",
        steps: "producer P transactional.id=x transaction.timeout.ms=60000\nC poll 10\nP init\nP begin\nP offsets C 10\nP crash\nC crash\nC restart\nP restart\nP init\nC drain",
        calls: &["P init -> ok", "P begin -> ok", "P offsets C 10 -> ok", "P init -> ok"],
        verdict: (0, 0),
    },
    Row {
        rule: "automatic commits and transactions do not go together (T23)",
        consumer: "enable.auto.commit=true auto.commit.interval.ms=500",
        steps: "producer P transactional.id=x\ntopic out replicas=B1,B2,B3\nC poll 10\nP init\nP begin\nP send o0 to out\nwait 600ms\nC poll once\nwait 200ms\nP abort\nC crash\nC restart\nC drain",
        calls: &["P init -> ok", "P begin -> ok", "P abort -> ok"],
        verdict: (10, 0),
    },
    Row {
        rule: "the group moves to another coordinator with its members and offsets (C15, 4.7)",
        consumer: "session.timeout.ms=20000 default.api.timeout.ms=30000",
        steps: "C poll 10\nC process\nC commit\nB3 kill\nC commit\nC drain\nC crash\nB3 start\nwait replicas t\nC restart\nC drain",
        calls: &["C commit -> ok", "C commit -> ok"],
        verdict: (0, 0),
    },
    Row {
        rule: "commits with a frozen coordinator go to the next one (C15)",
        consumer: "session.timeout.ms=20000 default.api.timeout.ms=30000",
        steps: "C poll 10\nC process\nB3 pause\nC commit\nB3 resume\nwait 2s\nC close\nC restart\nC drain",
        calls: &["C commit -> ok"],
        verdict: (0, 0),
    },
    Row {
        rule: "cooperative rebalancing: the owner keeps its partition and position (C25)",
        consumer: "partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        steps: "consumer D group.id=g partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor\nC poll 10\nC process\nC loop\nD loop\nwait 4s\nC halt\nD halt",
        calls: &[],
        verdict: (0, 0),
    },
    Row {
        rule: "a consumer in a call serves nobody else (ClassicKafkaConsumer.acquire; recorded on a real Kafka 4.1.1)",
        consumer: "",
        steps: "C poll 3\nC process\nC loop\nwait 3s\nC commit\nC poll once\nC halt\nC commit\nC drain",
        calls: &[
            "C commit -> ConcurrentModificationException",
            "C poll once -> ConcurrentModificationException",
            "C commit -> ok",
        ],
        verdict: (0, 0),
    },
    Row {
        rule: "a rebalance commits a position that was sought (C08; PlaintextConsumerCommitTest.testClassicConsumerAutoCommitOnRebalance)",
        consumer: "enable.auto.commit=true auto.commit.interval.ms=60000 max.poll.records=1",
        steps: "consumer D group.id=g\nC poll 1\nC seek 6\nD loop\nwait 1s\nC poll once\nC crash\nwait 4s\nD halt",
        calls: &[],
        verdict: (6, 0),
    },
    Row {
        rule: "assign(): no member, so its commits count while the group is empty, and the last one wins (C32; ClassicGroup.validateOffsetCommit)",
        consumer: "assign=0",
        steps: "consumer D group.id=g assign=0\nC poll 10\nD poll 10\nC process\nC commit\nD commit 4\nC crash\nC restart\nC drain",
        calls: &["C commit -> ok", "D commit 4 -> ok"],
        verdict: (0, 6),
    },
    Row {
        rule: "assign(): with members in the group its commit is refused (C32; ClassicGroup.validateOffsetCommit)",
        consumer: "",
        steps: "consumer D group.id=g assign=0\nC poll 10\nC process\nD poll 10\nD commit 4\nC commit\nC crash\nwait 3s\nD drain",
        calls: &["D commit 4 -> CommitFailedException", "C commit -> ok"],
        verdict: (0, 0),
    },
    Row {
        rule: "assign() without a group commits nothing and starts by the reset policy (C31; ClassicKafkaConsumer.maybeThrowInvalidGroupIdException)",
        consumer: "",
        steps: "consumer D assign=0\nD poll 10\nD process 4\nD commit\nD commit async\nD crash\nD restart\nD drain",
        calls: &["D commit -> InvalidGroupIdException", "D commit async -> InvalidGroupIdException"],
        verdict: (0, 4),
    },
    Row {
        rule: "assign() and automatic commits: the interval counts from the start (4.3)",
        consumer: "assign=0 enable.auto.commit=true auto.commit.interval.ms=500",
        steps: "C poll 10\nC process\nwait 600ms\nC poll once\nC poll once\nC crash\nC restart\nC drain",
        calls: &[],
        verdict: (0, 0),
    },
    Row {
        rule: "a record that can't be read stops every poll at its place; those before it are handed out (C30; CompletedFetch.fetchRecords)",
        consumer: "",
        steps: "F send r10 poison\nF send r11\nwait F settled\nC poll 10\nC process\nC poll once\nC poll once\nC commit\nC seek 11\nC drain",
        calls: &[
            "C poll once -> RecordDeserializationException",
            "C poll once -> RecordDeserializationException",
            "C commit -> ok",
        ],
        verdict: (1, 0),
    },
    Row {
        rule: "a new partition is noticed with the next metadata; auto.offset.reset=latest skips what it holds by then (C19; ConsumerCoordinator.rejoinNeededOrPending)",
        consumer: "auto.offset.reset=latest metadata.max.age.ms=3000",
        steps: "producer Q acks=all metadata.max.age.ms=500\nC poll once\nC seek 0\nC poll 10\nC process\nC commit\nC loop\nt partitions 2\nwait 1s\nQ send q0..q2 partition=1\nwait Q settled\nwait 4s\nQ send q3 partition=1\nwait Q settled\nwait 1s\nC halt",
        calls: &["C commit -> ok"],
        verdict: (3, 0),
    },
    Row {
        rule: "and auto.offset.reset=earliest reads all of it (C19)",
        consumer: "metadata.max.age.ms=3000",
        steps: "producer Q acks=all metadata.max.age.ms=500\nC poll 10\nC process\nC commit\nC loop\nt partitions 2\nwait 1s\nQ send q0..q2 partition=1\nwait Q settled\nwait 4s\nC halt",
        calls: &["C commit -> ok"],
        verdict: (0, 0),
    },
    Row {
        rule: "a sink that keeps the offset: a new instance goes on from there, whatever is committed (T27)",
        consumer: "sink=with-offset",
        steps: "C poll 10\nC process 4\nC crash\nC restart\nC drain",
        calls: &[],
        verdict: (0, 0),
    },
    Row {
        rule: "and so does another member of its group (T27)",
        consumer: "sink=with-offset",
        steps: "consumer D group.id=g sink=with-offset\nC poll 10\nC process 4\nC crash\nD drain",
        calls: &[],
        verdict: (0, 0),
    },
    Row {
        rule: "eager rebalancing without a commit: the new owner starts over (C07)",
        consumer: "",
        steps: "consumer A group.id=g\nC poll 10\nC process\nC loop\nA loop\nwait 4s\nC halt\nA halt",
        calls: &[],
        verdict: (0, 10),
    },
];

fn text(row: &Row) -> String {
    let is_declaration =
        |line: &&str| ["consumer ", "producer ", "topic "].iter().any(|word| line.starts_with(word));
    let (declarations, steps): (Vec<&str>, Vec<&str>) = row.steps.lines().partition(is_declaration);
    format!(
        "kafka-guarantees 1\nprofile recorder\ntopic t replicas=B1,B2,B3 min.insync.replicas=2\nproducer F acks=all\n\
         consumer C group.id=g {}\n{}\nF send r0..r9\nwait F settled\n{}\n",
        row.consumer,
        declarations.join("\n"),
        steps.join("\n")
    )
}

/// The calls' outcomes, and how many records were skipped and processed again.
fn outcome(run: &run::Run) -> (Vec<String>, (u64, u64)) {
    let observed = serde_json::to_value(run.observations()).expect("observations are JSON");
    let number = |key: &str| observed["consumer_verdict"][key].as_u64().unwrap_or(u64::MAX);
    let calls = observed["calls"].as_array().into_iter().flatten().filter_map(Value::as_str);
    (calls.map(str::to_string).collect(), (number("skipped"), number("processed_again")))
}

#[test]
fn consumers_follow_the_rules() {
    let mut wrong = Vec::new();
    for row in ROWS {
        let setup = match scenario::parse(&text(row)) {
            Ok(setup) => setup,
            Err(errors) => {
                wrong.push(format!("{}: does not parse: {errors:?}", row.rule));
                continue;
            }
        };
        let run = run::run(&setup.into());
        assert!(run.error.is_none(), "{}: {:?}", row.rule, run.error);
        let (calls, verdict) = outcome(&run);
        if calls != row.calls || verdict != row.verdict {
            wrong.push(format!(
                "{}\n  calls {calls:?}\n  verdict {verdict:?}, expected {:?}",
                row.rule, row.verdict
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), ROWS.len(), wrong.join("\n"));
}

/// kafka-semantics 4.8 (C20) and T31 (TransactionsExpirationTest.testFatalErrorAfterInvalidProducerIdMappingWithTV1,
/// testFatalErrorAfterInvalidProducerIdMappingWithTV2,
/// ProducerIdExpirationTest.testTransactionAfterTransactionIdExpiresButProducerIdRemains): (settings of the cluster and the consumer, steps, calls, verdict).
#[test]
fn what_is_idle_expires() {
    let rows = [
        (
            "cluster offsets.retention.minutes=5",
            "consumer C group.id=g enable.auto.commit=false auto.offset.reset=earliest",
            "C poll 10\nC process\nC commit\nC close\nwait 1200s\nC restart\nC drain",
            vec!["C commit -> ok"],
            (0, 10),
        ),
        (
            "cluster offsets.retention.minutes=60",
            "consumer C group.id=g enable.auto.commit=false auto.offset.reset=earliest",
            "C poll 10\nC process\nC commit\nC close\nwait 1200s\nC restart\nC drain",
            vec!["C commit -> ok"],
            (0, 0),
        ),
        (
            "cluster offsets.retention.minutes=5",
            "consumer C group.id=g enable.auto.commit=false auto.offset.reset=latest",
            "C drain\nF send r10\nF flush\nC poll 1\nC process\nC commit\nC close\nwait 1200s\nF send r11\nF flush\nC restart\nC drain",
            vec!["C commit -> ok"],
            (11, 0),
        ),
        (
            "cluster transactional.id.expiration.ms=60000",
            "producer P transactional.id=x",
            "P init\nP begin\nP send a0\nP commit\nwait 4000s\nP begin\nP send a1\nP commit\nP abort\nP crash\nP restart\nP init\nP begin\nP send a2\nP commit",
            vec![
                "P init -> ok",
                "P begin -> ok",
                "P commit -> ok",
                "P begin -> ok",
                "P commit -> InvalidPidMappingException",
                "P abort -> KafkaException (cause InvalidPidMappingException)",
                "P init -> ok",
                "P begin -> ok",
                "P commit -> ok",
            ],
            (u64::MAX, u64::MAX),
        ),
        (
            "cluster transactional.id.expiration.ms=60000 transaction.version=1",
            "producer P transactional.id=x",
            "P init\nP begin\nP send a0\nP commit\nwait 4000s\nP begin\nP send a1\nP commit\nP abort",
            vec![
                "P init -> ok",
                "P begin -> ok",
                "P commit -> ok",
                "P begin -> ok",
                "P commit -> InvalidPidMappingException",
                "P abort -> KafkaException (cause InvalidPidMappingException)",
            ],
            (u64::MAX, u64::MAX),
        ),
    ];
    for (cluster, client, steps, calls, verdict) in rows {
        let text = format!(
            "kafka-guarantees 1\n{cluster}\ntopic t replicas=B1,B2,B3 min.insync.replicas=2\nproducer F acks=all\n\
             {client}\nF send r0..r9\nwait F settled\n{steps}\n"
        );
        let setup = scenario::parse(&text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        let run = run::run(&setup.into());
        assert!(run.error.is_none(), "{text}: {:?}", run.error);
        let (was, observed) = outcome(&run);
        assert_eq!((was, observed), (calls.iter().map(ToString::to_string).collect(), verdict), "{text}");
    }
}

/// Programs commit, and add to their transactions, the offset of the partition that a record is from: what was processed
/// in another partition before a crash is not processed again. (kafka-semantics 3.8, 4.4)
#[test]
fn programs_commit_in_the_partition_of_each_record() {
    let topic = "topic t replicas=B1,B2,B3 min.insync.replicas=2 partitions=2\nproducer F acks=all\n\
                 program F produce 40 every 20ms to t keys=5\n";
    let rows = [
        (
            "commitSync() after each record",
            "consumer C group.id=g\nprogram C consume commit=after-record\non C committed 15 C crash for 1s",
        ),
        (
            "offsets in transactions",
            "topic out replicas=B1,B2,B3 min.insync.replicas=2\nproducer P transactional.id=x\n\
             consumer C group.id=g isolation.level=read_committed max.poll.records=4\n\
             program P transform C to out\non P transaction-committed 4 P crash for 1s",
        ),
    ];
    for (what, program) in rows {
        let text = format!("kafka-guarantees 1\nprofile recorder\n{topic}{program}\nwait 2s\n");
        let setup = scenario::parse(&text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        let run = run::run(&setup.into());
        assert!(run.error.is_none(), "{what}: {:?}", run.error);
        let partitions: std::collections::BTreeSet<_> =
            run.world.stage.ledger.records.iter().filter_map(|fate| fate.partition).collect();
        assert!(partitions.len() >= 2, "{what}: the records are in {partitions:?}");
        assert_eq!(outcome(&run).1, (0, 0), "{what}");
    }
}

/// When the clients of two applications crashed, came up, froze and thawed, in the words of the trace.
fn lives(steps: &str) -> (Vec<String>, Vec<String>) {
    let text = format!(
        "kafka-guarantees 1\nprofile recorder\ntopic t replicas=B1,B2,B3\ntopic out replicas=B1,B2,B3\n\
         producer F acks=all\nproducer P transactional.id=x\nconsumer C group.id=g topic=t\n\
         program F produce 5 every 10ms to t\nprogram P transform C to out\n{steps}"
    );
    let run = run::run(&scenario::parse(&text).expect("a valid text").into());
    assert!(run.error.is_none(), "{text}\n{:?}", run.error);
    let names = |wanted: u8| {
        let mut clients = Vec::new();
        let mut lives = Vec::new();
        for entry in run.world.stage.trace.entries() {
            if let Event::ClientStarted { application: ApplicationId(application), .. } = entry.event
                && application == wanted
            {
                clients.push(entry.actor);
            }
            let life = match entry.event {
                Event::ClientStarted { .. } => "started",
                Event::ClientCrashed => "crashed",
                Event::ClientPaused => "paused",
                Event::ClientResumed => "resumed",
                _ => continue,
            };
            if clients.contains(&entry.actor) {
                lives.push(format!("{life} at {}", entry.at));
            }
        }
        lives
    };
    (names(1), names(2))
}

/// A program that transforms is one process: whatever is done to its producer or to its consumer is done to both, in
/// the same instant.
#[test]
fn a_transforming_process_lives_and_dies_as_one() {
    for (verbs, changes) in
        [(["crash", "restart"], ["crashed", "started"]), (["pause", "resume"], ["paused", "resumed"])]
    {
        for name in ["P", "C"] {
            let [first, second] = verbs;
            let steps = format!("wait 1s\n{name} {first}\nwait 1s\n{name} {second}\nwait 1s");
            let (producer, consumer) = lives(&steps);
            // The run's end closes what is left.
            assert_eq!(producer[1..3], consumer[1..3], "{steps}");
            for (life, change) in producer[1..3].iter().zip(changes) {
                assert!(life.starts_with(change), "{steps}: {producer:?}");
            }
        }
    }
}

/// A coordinator that can't be reached, and that brokers still name, is looked up again after `retry.backoff.ms`, not
/// as fast as answers come (`ensureCoordinatorReady`).
#[test]
fn an_unreachable_coordinator_is_looked_up_with_pauses() {
    let text = "kafka-guarantees 1\nprofile recorder\ntopic t replicas=B1\nproducer P acks=all\n\
        consumer C group.id=g\nP send r0\nwait P settled\nC poll 1\nlink B1->controller hold\nlink B2->controller hold\n\
        B3 kill\nC loop\nwait 10s";
    let run = run::run(&scenario::parse(text).expect("a valid text").into());
    assert!(run.error.is_none(), "{:?}", run.error);
    let lookups = run.world.stage.trace.entries().iter().filter(|entry| {
        matches!(entry.event, Event::RequestSent { request: Request::FindCoordinator { .. }, .. })
    });
    let lookups = lookups.count();
    assert!((2..=110).contains(&lookups), "{lookups} requests in ten seconds");
}
