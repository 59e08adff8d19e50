//! Tables of what the notation says and of what it refuses, with the place.

use super::*;
use crate::engine::kafka::types::{ApplicationId, PartitionId, RecordId, TopicId};
use crate::engine::script;

const HEAD: &str = "kafka-guarantees 1\n\
                    topic t replicas=B1,B2,B3 partitions=3\n\
                    topic out replicas=B1,B2,B3\n\
                    producer P transactional.id=x\n\
                    producer Q\n\
                    consumer C group.id=g enable.auto.commit=false\n\
                    consumer D group.id=h topic=out enable.auto.commit=true\n";

/// The problems of the lines after the head.
fn problems(lines: &str) -> Vec<String> {
    read(&format!("{HEAD}{lines}")).problems.iter().map(ToString::to_string).collect()
}

fn setup(lines: &str) -> Setup {
    parse(&format!("{HEAD}{lines}")).expect("a setup")
}

#[test]
fn a_problem_names_its_place_what_was_found_and_what_was_expected() {
    for (lines, expected) in [
        ("P sendd r0", "line 8, column 3: `sendd`: expected `send`, `init`"),
        ("P sendd r0", "did you mean send?"),
        ("P send", "line 8, column 7: expected records, such as r0 or r0..r4, found the end of the line"),
        ("P send r4..r0", "line 8, column 8: `r4..r0`: expected records"),
        ("P send r0..s4", "expected records"),
        ("P send r0 to nowhere", "line 8, column 14: `nowhere`: expected a declared topic: `t` or `out`"),
        ("P send r0 partition=3", "line 8, column 11: `partition=3`: t has 3 partitions, numbered from 0"),
        ("P send r0 key=a\nP send r0", "line 9, column 8: `r0`: r0 was given another key before, or none"),
        ("X send r0", "line 8, column 1: `X`: expected a declared name (`t`, `out`, `P`, `Q`, `C` or `D`)"),
        ("waitt 5s", "did you mean wait?"),
        ("P poll 5", "`poll`: expected `send`"),
        ("C send r0", "`send`: expected `poll`"),
        ("fault P Produce 0 request cut", "line 8, column 17: `0`: expected which request, counted from 1"),
        ("fault P Produce 5..2 request cut", "`5..2`: expected which request"),
        ("fault P Fetch 1 request cut", "`Fetch`: expected `Produce`"),
        ("fault C Produce 1 request cut", "`Produce`: expected `Fetch`"),
        ("fault P Produce 1 reply cut", "line 8, column 19: `reply`: expected `request` or `response`"),
        ("fault P Produce 1 request drop", "expected `cut` or `hold`"),
        ("fault P Produce 1 request cut after", "found the end of the line"),
        ("link B1->B1 hold", "expected a link"),
        ("link P->t hold", "expected a link"),
        ("B10 kill", "expected a declared name"),
        ("B1 explode", "`explode`: expected `kill`"),
        ("B1 kill now", "`now`: expected the end of the line"),
        ("t leader B4", "`B4`: B4 has no replica of t"),
        (
            "t set max.message.bytes=5",
            "only min.insync.replicas and unclean.leader.election.enable can change",
        ),
        ("wait 5", "expected a time, such as 300ms or 2.5s"),
        ("wait 49h", "expected a time"),
        ("wait 172801s", "at most 172800 s"),
        ("wait isr t == B1", "`==`: expected `=`"),
        ("wait C settled", "expected a declared producer: `P` or `Q`"),
        ("at 5ms wait 5s", "only steps in order wait"),
        ("at 5ms", "expected a step"),
        ("on Q sent 1 B1 kill", "`Q`: it runs no program that could reach a point"),
        ("on P digested 1 B1 kill", "expected a point (`sent`"),
        ("B1 start for 5s", "`for` goes with crash"),
        ("P crash for ever", "expected how long, such as 300ms or 2.5s"),
        ("topic u replicas=B1", "placeholder"),
        ("read t committed as x", "expected `read_committed` or `read_uncommitted`"),
        ("producer P", "`P`: there is something of that name already"),
        ("producer B1", "this name has a meaning of its own"),
        ("producer R acks=1 acks=0", "`acks=0`: acks is set already"),
        ("producer R acks", "`acks`: expected a setting, key=value"),
        ("producer R ack=1", "line 8, column 12: `ack=1`: R: there is no key `ack`; did you mean acks?"),
        ("producer R acks=5", "line 8, column 12: `acks=5`: R: Invalid value 5 for configuration acks"),
        ("consumer R sink=heap", "expected `none`, `insert`, `upsert`, `with-offset` or `call`"),
        ("consumer R", "you must provide a valid group.id"),
        ("producer R epoch=5", "epoch= needs a transactional.id; R has none"),
        ("producer R transactional.id=y epoch=32767", "expected an epoch"),
        ("t partitions 1", "expected how many partitions, a number from 2 to 62"),
        ("topic u replicas=B1 partitions=2\nu partitions 2", "u has 2 partitions: expected more"),
        ("topic u replicas=B1\nu partitions 60", "there are 62 partitions at most"),
        ("consumer R assign=x", "`assign=x`: expected partitions such as 0 or 0,2"),
        ("consumer R assign=1,0", "expected partitions in ascending order, each once"),
        ("consumer R assign=0,9", "partitions, counted from 0"),
        ("P send r0 poison poison", "`poison`, once each"),
        ("P send r0\nP send r0 poison", "r0 was given another key before, or none, or was no poison"),
        (
            "consumer R group.id=g topic=nowhere",
            "line 8, column 23: `topic=nowhere`: expected a declared topic",
        ),
        ("cluster transaction.version=3", "line 8, column 9: `transaction.version=3`: Invalid value 3"),
        ("topic u partitions=2", "expected replicas="),
        ("topic u replicas=B1,B1", "B1 stands there twice"),
        ("topic u replicas=B1 partitions=60", "there are 62 partitions at most"),
        ("program Q produce 0 every 5ms", "expected how many records, a number from 1 to 10000"),
        ("program Q produce 5 every 5ms transaction=2", "transaction= needs a transactional.id; Q has none"),
        ("program P produce 5 every 5ms", "say transaction="),
        ("program C consume", "expected commit="),
        ("program C consume commit=automatic", "commit=automatic needs enable.auto.commit=true; C has false"),
        ("program Q transform C to out", "transform needs a transactional.id; Q has none"),
        ("program P transform C to t", "C reads that topic; write to another"),
        ("program P transform C to out\nprogram C consume commit=never", "C runs a program of its own"),
        ("program P transform C to out\non C processed 1 B1 kill", "say `on P`"),
        ("program P transform C to out\non P sent 1 B1 kill", "the program of P reaches `polled`"),
        ("program Q produce 5 every 5ms\nprogram Q produce 5 every 5ms", "it runs a program already"),
        ("seed -1", "`-1`: expected a seed"),
        ("seed 1\nseed 2", "there is a seed already"),
        ("P init\nseed 1", "declarations stand before the first step"),
        ("kafka-guarantees 1", "the version stands in the first line only"),
    ] {
        if expected == "placeholder" {
            assert_eq!(problems(lines), Vec::<String>::new());
            continue;
        }
        let found = problems(lines);
        assert_eq!(found.len(), 1, "{lines}: {found:?}");
        assert!(found[0].contains(expected), "{lines}: {found:?}");
    }
}

#[test]
fn every_line_has_its_own_problem_and_consequences_have_none() {
    let found = problems("producer R ack\nR send r0\nwait R settled\nP foo\nC bar\nP send r1");
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("line 8,") && found[1].starts_with("line 11,"), "{found:?}");
}

#[test]
fn the_first_line_is_the_version() {
    for (text, expected) in [
        ("", "line 1: expected `kafka-guarantees 1`"),
        ("topic t replicas=B1", "line 1, column 1: `topic`: expected `kafka-guarantees 1` first"),
        ("kafka-guarantees 2\ntopic t replicas=B1", "`2`: expected the version, 1"),
        ("kafka-guarantees 1\n", "expected a topic"),
    ] {
        let found = read(text).problems;
        assert!(found[0].to_string().contains(expected), "{text}: {found:?}");
    }
    let reading = read("# a comment\n\nkafka-guarantees 1\ntopic t replicas=B1 # another\n");
    assert_eq!(reading.problems, []);
}

#[test]
fn limits_are_kept() {
    let long = format!("kafka-guarantees 1\n{}", "#".repeat(limits::TEXT));
    assert!(read(&long).problems[0].message.contains("65536 are the most"));
    let many = "\n".repeat(limits::LINES + 5);
    assert!(problems(&format!("{many}P init"))[0].contains("at most 2000 lines"));
    let steps = "P init\n".repeat(limits::STEPS + 1);
    assert!(problems(&steps)[0].contains("at most 1000 steps"));
    assert!(problems("Q send r0..r99999")[0].contains("at most 10000 records"));
    assert!(problems("Q send r0..r9999\nQ send s0..s9999")[0].contains("more than 10000 different records"));
    assert!(problems("Q send r0..r9999\n".repeat(11).as_str())[0].contains("100000 sends"));
    assert!(problems("program Q produce 10000 every 1ms\nprogram P transform C to out")[0].contains("10000"));
    assert!(problems(&format!("title {}", "x".repeat(201)))[0].contains("at most 200 letters"));
    assert!(problems(&format!("producer {}", "x".repeat(61)))[0].contains("at most 60 letters"));
}

#[test]
fn any_text_is_read_to_an_end() {
    let text = format!(
        "{HEAD}seed 7\nprogram Q produce 5 every 10ms to t keys=2\non Q sent 3 B1 kill for 2s\nP send r0 &\n"
    );
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = b" =.#\n-9,"[at % 8];
        let changed = String::from_utf8_lossy(&bytes);
        for part in [&text[..at], &changed] {
            let reading = read(part);
            assert!(reading.lowered.is_some() || !reading.problems.is_empty(), "{part}");
            let printed = reading.scenario.to_text();
            if reading.problems.is_empty() {
                assert_eq!(read(&printed).scenario, reading.scenario, "{part}");
            }
        }
    }
}

#[test]
fn programs_bring_their_records() {
    let setup = setup(
        "program Q produce 4 every 10ms to t size=50 keys=2 resend\n\
         program P transform C to out processing=1.5ms\n\
         program D consume commit=automatic\n\
         Q send r1 key=k1\n\
         Q send x key=a\n\
         Q send o2 to out key=k0\n",
    );
    let names: Vec<_> = setup.records.iter().map(|record| record.name.as_str()).collect();
    assert_eq!(names, ["r0", "r1", "r2", "r3", "x", "o0", "o1", "o2", "o3", "o-x"]);
    let keys: Vec<_> = setup.records.iter().map(|record| record.key.as_deref().unwrap_or("-")).collect();
    assert_eq!(keys, ["k0", "k1", "k0", "k1", "a", "k0", "k1", "k0", "k1", "a"]);
    assert_eq!(
        setup.applications[1].program,
        Some(script::Program::Produce {
            first: RecordId(0),
            count: 4,
            every: Span::millis(10),
            topic: TopicId(2),
            size: 50,
            resend: true,
            transaction: None,
        })
    );
    assert_eq!(
        setup.applications[0].program,
        Some(script::Program::Transform {
            consumer: ApplicationId(2),
            topic: TopicId(3),
            first_output: RecordId(5),
            processing: Span::micros(1500),
        })
    );
    let sent: Vec<_> = setup
        .script
        .iter()
        .filter_map(|line| match &line.step {
            script::Step::Client {
                action: script::ClientAction::Send { records, partition, .. }, ..
            } => Some((records[0].0, *partition)),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [(1, None), (4, None), (7, None)]);
}

#[test]
fn where_records_go() {
    let setup = setup(
        "Q send r0\nQ send r1 partition=2\nQ send r2 key=a\nQ send r3 key=a partition=1\nQ send r4 to out\n",
    );
    let partitions: Vec<_> = setup
        .script
        .iter()
        .map(|line| match &line.step {
            script::Step::Client { action: script::ClientAction::Send { partition, .. }, .. } => *partition,
            other => panic!("{other:?}"),
        })
        .collect();
    let partition = |number| Some(PartitionId(number));
    assert_eq!(partitions, [partition(2), partition(4), None, partition(3), partition(5)]);
}

#[test]
fn internal_topics_come_first_and_brokers_are_counted() {
    let setup = setup("B5 start\n");
    let topics: Vec<_> = setup
        .topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic.first_partition.0, topic.config.min_insync_replicas))
        .collect();
    assert_eq!(
        topics,
        [("__consumer_offsets", 0, 1), ("__transaction_state", 1, 2), ("t", 2, 1), ("out", 5, 1)]
    );
    assert_eq!(setup.topics[0].config.replicas, [3, 2, 1].map(BrokerId));
    assert_eq!((setup.brokers, setup.seed), (5, 0));
    assert_eq!(
        (setup.transactional_ids, setup.groups),
        (vec!["x".to_owned()], vec!["g".to_owned(), "h".to_owned()])
    );
}

#[test]
fn triggers_and_what_undoes_a_step() {
    let setup = setup(
        "program C consume commit=after-record\n\
         at 12.4ms B1 kill for 2s\n\
         when leader t = none B2 start\n\
         on C processed 3 C crash\n\
         on P Produce 3 request link P->* hold for 1s\n\
         wait until 3s\n",
    );
    let lines: Vec<_> =
        setup.script.iter().map(|line| (line.line, line.trigger, line.text.as_str())).collect();
    let consumer = ApplicationId(2);
    let condition = script::Condition::Leader(TopicId(2), None);
    let after = |step, span| script::Trigger::After { step, span };
    let message = script::Trigger::Message {
        application: ApplicationId(0),
        api: Api::Produce,
        number: 3,
        direction: Direction::Request,
    };
    let point = script::Trigger::Point { application: consumer, point: ProgramPoint::Processed, number: 3 };
    assert_eq!(
        lines,
        [
            (9, script::Trigger::At(Time(12_400)), "B1 kill"),
            (9, after(0, Span::seconds(2)), "B1 start"),
            (10, script::Trigger::When(condition), "B2 start"),
            (11, point, "C crash"),
            (12, message, "link P->* hold"),
            (12, after(4, Span::seconds(1)), "link P->* open"),
            (13, script::Trigger::InOrder, "wait until 3s"),
        ]
    );
}

#[test]
fn every_word_of_the_notation_prints_back() {
    let text = "kafka-guarantees 1\n\
        title All of it\n\
        near P25\n\
        profile recorder\n\
        seed 18446744073709551615\n\
        look 12.437ms lane B1 record r3\n\
        cluster transaction.version=1 producer.id.expiration.ms=1000\n\
        topic t replicas=B1,B2,B3 partitions=3 min.insync.replicas=2\n\
        topic out replicas=B4\n\
        producer P acks=all transactional.id=x\n\
        producer Q enable.idempotence=false\n\
        producer R transactional.id=y epoch=32765\n\
        consumer C group.id=g topic=t sink=with-offset\n\
        consumer D group.id=h enable.auto.commit=true topic=out sink=call\n\
        consumer E topic=t assign=0,2\n\
        program P transform C to out processing=2ms\n\
        program Q produce 100 every 10ms to t size=100 keys=3 resend\n\
        program D consume commit=automatic processing=0.5ms\n\
        Q send s0..s4 to out size=5000 key=a partition=0 &\n\
        Q send s5 poison\n\
        P init\n\
        P begin\n\
        P offsets C 4 group-id-only\n\
        P commit &\n\
        P abort\n\
        P flush\n\
        P close\n\
        P close timeout=0ms\n\
        P crash for 1s\n\
        P pause for 1.5s\n\
        C poll 10\n\
        C poll once\n\
        C process\n\
        C process 7\n\
        C commit\n\
        C commit 5\n\
        C commit async\n\
        C seek 0\n\
        C drain\n\
        C loop\n\
        C halt\n\
        C restart\n\
        C resume\n\
        B1 kill for 2s\n\
        B1 start\n\
        B1 stop\n\
        B1 wipe\n\
        B1 pause\n\
        B1 resume\n\
        B1 lose-power 2 for 3s\n\
        t leader B2\n\
        t set min.insync.replicas=3\n\
        t set unclean.leader.election.enable=true\n\
        t delete-records 6\n\
        t partitions 4\n\
        link B2->B1 hold for 12s\n\
        link P->B1 cut\n\
        link C->* open\n\
        link B1->controller hold\n\
        fault P EndTxn 1..5 response hold\n\
        fault Q Produce 7 request cut after 10\n\
        release P EndTxn\n\
        read t read_committed as before\n\
        wait 2.5s\n\
        wait until 12.437ms\n\
        wait Q settled\n\
        wait isr t = B1,B2\n\
        wait leader t = none\n\
        wait replicas t\n\
        at 12.4ms B1 kill\n\
        when isr t = B1 B1 kill\n\
        when leader t = B2 Q restart\n\
        on P offsets-sent 2 P crash for 500ms\n\
        on Q Produce 3 response B1 pause for 1s &\n";
    let reading = read(text);
    assert_eq!(reading.problems, []);
    assert_eq!(reading.scenario.to_text(), text);
    assert_eq!(link::open(&reading.scenario.to_link()).scenario, reading.scenario);
}
