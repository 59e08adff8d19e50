//! What links say, and what they open.

use super::*;
use crate::scenario::presets::Guarantee;

#[test]
fn presets_are_short() {
    for preset in presets::all() {
        let link = preset.scenario().to_link();
        assert_eq!(link, format!("v=1&preset={}", preset.id));
        let opened = open(&format!("https://example.org/page?x=1#{link}"));
        assert_eq!((opened.preset, opened.warnings), (Some(preset.id), vec![]));
        assert_eq!(opened.scenario, preset.scenario());
    }
}

#[test]
fn changes_to_a_preset_are_readable() {
    let mut scenario = Guarantee::AtLeastOnce.base().scenario();
    scenario.set("P", "acks", Some("1"));
    scenario.set("P", "retries", None);
    scenario.set("", "transaction.version", Some("1"));
    scenario.set_record_count(8);
    scenario.set_sink("C", Sink::Upsert);
    scenario.set_commit_strategy("C", CommitStrategy::Automatic);
    scenario.set_replication_factor(2);
    scenario.seed = 4711;
    scenario.add_step("on C processed 3 C crash for 1s").expect("a step");
    scenario.look = Some(Look { at: Time(124_300), lane: Some("B1".to_owned()), record: None });
    let link = scenario.to_link();
    assert_eq!(
        link,
        "v=1&preset=at-least-once&seed=4711&cluster.transaction.version=1&t.replicas=B1,B2&P.acks=1\
         &P.retries=&P.records=8&C.enable.auto.commit=true&C.sink=upsert&C.commit=automatic\
         &do=on+C+processed+3+C+crash+for+1s&at=124.3ms&lane=B1"
    );
    let opened = open(&link);
    assert_eq!((opened.scenario, opened.warnings), (scenario, vec![]));
}

#[test]
fn other_scenarios_are_whole_texts() {
    let text = "kafka-guarantees 1\ntitle Is 100% & more; is it?\nprofile recorder\n\
                topic t replicas=B1,B2,B3\nproducer P acks=1\nlink P->B1 hold &\nP send r0..r4\n";
    let scenario = read(text).scenario;
    let link = scenario.to_link();
    assert!(
        link.starts_with("v=1&text=title+Is+100%25+%26+more%3B+is+it%3F;profile+recorder;topic+t+"),
        "{link}"
    );
    let opened = open(&link);
    assert_eq!((opened.scenario, opened.preset, opened.warnings), (scenario, None, vec![]));
}

#[test]
fn what_can_not_be_read_is_said() {
    for (link, part, warning) in [
        ("v=2&preset=exactly-once", "", "version `2`"),
        ("v=1&preset=exactly-twice", "", "no preset `exactly-twice`"),
        ("v=1&preset=at-least-once&P.ackz=1", "", "Ignored `P.ackz=1`: there is no such key"),
        ("v=1&preset=at-least-once&X.acks=1", "", "Ignored `X.acks=1`: nothing of that name"),
        ("v=1&preset=at-least-once&P.acks=1&P.acks=0", "P.acks=1", "Ignored the second `P.acks`"),
        ("v=1&preset=at-least-once&seed=4711x", "", "a seed is a number"),
        ("v=1&preset=at-least-once&at=soon", "", "expected a time"),
        ("v=1&preset=at-least-once&do=on+C+digested+3+C+crash&seed=7", "seed=7", "digested"),
        ("v=1&preset=at-least-once&drop=1", "", "there is no such step"),
        ("v=1&preset=at-least-once&t.replicas=B1,B1", "", "twice"),
        (
            "v=1&preset=at-least-once&P.transaction=3&seed=7",
            "seed=7",
            "transaction= needs a transactional.id",
        ),
        ("v=1&preset=at-least-once&P.acks=%zz", "P.acks=%25zz", "not encoded"),
        ("v=1&preset=at-least-once&C.sink=heap", "", "expected `none`"),
        ("nonsense", "", "Ignored `nonsense=`"),
    ] {
        let opened = open(link);
        assert!(opened.warnings.iter().any(|said| said.contains(warning)), "{link}: {:?}", opened.warnings);
        assert_eq!(opened.warnings.len(), 1, "{link}: {:?}", opened.warnings);
        // The rest of the link is in force.
        assert!(opened.scenario.to_link().contains(part), "{link}: {}", opened.scenario.to_link());
    }
}

#[test]
fn the_lines_of_a_text_that_can_be_read_are_kept() {
    let opened = open("v=1&text=topic+t+replicas=B1,B2,B3;producer+P+acks=1;P+sent+r0;P+send+r1;Q+send+r2");
    assert_eq!(opened.scenario.steps.len(), 1);
    assert_eq!(opened.warnings.len(), 2, "{:?}", opened.warnings);
    assert!(opened.warnings[0].contains("`P sent r0`: line 4, column 3"), "{:?}", opened.warnings);
    let opened = open("v=1&text=");
    assert_eq!((opened.preset, opened.warnings.len()), (Some(DEFAULT_PRESET), 1));
    let opened = open("v=1&text=consumer+C+group.id=g+topic=u;topic+t+replicas=B1;C+poll+1");
    assert_eq!((opened.scenario.applications.len(), opened.warnings.len()), (0, 2), "{:?}", opened.warnings);
}

#[test]
fn changes_that_need_one_another_and_what_kafka_refuses_are_kept() {
    let opened =
        open("v=1&preset=at-least-once&P.enable.idempotence=true&P.transactional.id=x&P.transaction=3");
    assert_eq!(opened.warnings, Vec::<String>::new());
    // The page shows the ConfigException.
    let opened = open("v=1&preset=at-least-once&P.enable.idempotence=true&P.acks=1");
    assert_eq!(opened.warnings, Vec::<String>::new());
    assert_eq!(opened.scenario.lower().expect_err("a ConfigException")[0].kind, ProblemKind::Refused);
}

#[test]
fn any_bytes_open_something() {
    // Every prefix, and every single byte changed, of links of both kinds.
    let mut scenario = Guarantee::ExactlyOnce.base().scenario();
    scenario.add_step("fault P Produce 2..4 response hold").expect("a step");
    let whole = format!("v=1&text={}", encode_text(&scenario.to_text()));
    for link in [scenario.to_link(), whole[..200].to_owned()] {
        for at in 0..link.len() {
            let mut bytes = link.clone().into_bytes();
            assert!(!open(&link[..at]).scenario.topics.is_empty());
            bytes[at] = b"%&=;#x\xFF"[at % 7];
            assert!(!open(&String::from_utf8_lossy(&bytes)).scenario.topics.is_empty());
        }
    }
    for link in ["", "#", "?", "https://example.org/", "&&&", "=", "%", "\u{1F980}=\u{0}"] {
        let opened = open(link);
        assert_eq!(opened.preset, Some(DEFAULT_PRESET), "{link}");
    }
}
