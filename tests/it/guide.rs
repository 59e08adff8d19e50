//! The guide: every scene is run, and must show what the sentence beside it says; every configuration that is advised is run
//! in every failure.

use kafka_guarantees::engine::observe::Observations;
use kafka_guarantees::engine::run;
use kafka_guarantees::scenario::{self, link, presets};
use kafka_guarantees::view::figure::{Figure, Look};
use kafka_guarantees::view::guide::choosing::{self, Answers, Outcome, QUESTIONS};
use kafka_guarantees::view::guide::{self, Scene};
use kafka_guarantees::view::scene::Options;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// All that can be expected of a scene, a line each.
fn facts(scene: &Scene) -> BTreeSet<String> {
    let opened = link::open(&scene.link());
    let setup = Arc::new(opened.scenario.lower().expect("it can be run").setup);
    let run = run::run(&setup);
    assert_eq!(run.error, None, "{}", scene.name);
    let observed = run.observations();
    let figure = Figure::new(run);
    // It is drawn on the page.
    assert!(!Look::new(&figure, &Options::default()).steps.list.is_empty(), "{}", scene.name);
    let verdict = &figure.verdict;
    let mut facts = BTreeSet::from([format!("headline {}", verdict.headline)]);
    facts.extend(verdict.more.iter().map(|more| format!("also {more}")));
    facts.extend(verdict.chips.iter().map(|chip| format!("chip {}", chip.text)));
    facts.extend(observed_facts(&observed));
    facts
}

fn observed_facts(observed: &Observations) -> Vec<String> {
    let list = |name: &str, records: &[String]| format!("{name} {}", records.join(" "));
    let mut facts = vec![
        list("log", &observed.log_read_uncommitted),
        list("committed", &observed.log_read_committed),
        list("processed", &observed.application_processed),
        list("sink", &observed.sink_rows),
    ];
    for (topic, log) in &observed.topics.0 {
        facts.push(list(topic, &log.log_read_committed));
    }
    facts.extend(observed.calls.iter().map(|call| format!("call {call}")));
    facts.extend(observed.producer_saw.0.iter().map(|(record, saw)| format!("{record} {saw}")));
    facts
}

/// Scene, and what must be among its facts; `tells`: among the sentences that the page shows for it.
fn expected() -> Vec<(String, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/view/guide/scenes/expected.txt");
    let text = fs::read_to_string(path).expect("what is expected");
    let blocks = text.split("\n\n").map(|block| {
        let mut lines = block.lines().filter(|line| !line.starts_with('#')).map(str::to_owned);
        (lines.next().unwrap_or_default(), lines.collect())
    });
    blocks.filter(|(name, _): &(String, Vec<String>)| !name.is_empty()).collect()
}

/// What the page says that scenes of that name show.
fn told(name: &str) -> Vec<String> {
    let scenes = guide::all_scenes().into_iter().filter(|scene| scene.name == name && scene.tell.is_some());
    let mut told: Vec<String> = scenes
        .map(|scene| match scene.show() {
            // When it happens shifts with every change of the model.
            Some(shown) => format!("tells {}", shown.sentence.split_once(": ").expect("a time").1),
            None => format!("never tells of {:?}", scene.tell),
        })
        .collect();
    told.dedup();
    told
}

#[test]
fn every_scene_shows_what_is_said_of_it() {
    let expected = expected();
    let mut report = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for scene in guide::all_scenes() {
        if !names.contains(&scene.name) {
            names.push(scene.name);
        }
    }
    for name in &names {
        let scene = guide::all_scenes().into_iter().find(|scene| scene.name == *name).expect("it is there");
        let (facts, told) = (facts(&scene), told(name));
        let all: Vec<&str> = facts.iter().chain(&told).map(String::as_str).collect();
        let Some((_, wanted)) = expected.iter().find(|(known, _)| known == name) else {
            report.push(format!("{name}: nothing is expected of it. It shows:\n{}", all.join("\n")));
            continue;
        };
        if !wanted.iter().any(|line| line.starts_with("headline ")) {
            report.push(format!("{name}: no headline is expected"));
        }
        for line in wanted.iter().filter(|line| !all.contains(&line.as_str())) {
            report.push(format!("{name}: does not show\n    {line}\nbut\n{}", all.join("\n")));
        }
        for line in told.iter().filter(|line| !wanted.contains(line)) {
            report.push(format!("{name}: not expected\n    {line}"));
        }
    }
    for (name, _) in expected.iter().filter(|(name, _)| !names.contains(&name.as_str())) {
        report.push(format!("{name}: no scene of the guide"));
    }
    assert!(report.is_empty(), "{}", report.join("\n\n"));
}

/// Where a sentence of the guide is about waiting: the scene, what the page tells of it, and when that is, in ms.
const WHEN: &[(&str, &str, std::ops::Range<u64>)] = &[
    ("committed-not-yet-visible", "commitTransaction() returns", 2_000..3_000),
    ("committed-not-yet-visible", "C gets record 0", 5_000..7_000),
    ("every-in-sync-replica", "P is told that record r0", 3_000..6_000),
    ("accepted-not-readable", "P is told that record r0", 2_000..3_000),
    ("accepted-not-readable", "C gets record r0", 5_000..7_000),
    ("random-transactional-id", "C gets record 1", 5_000..7_000),
    ("stable-transactional-id", "C gets record 1", 0..1_000),
    ("open-transaction-holds-back", "Q is told that record 3", 0..1_000),
    ("open-transaction-holds-back", "C gets record 1", 3_000..4_000),
];

#[test]
fn who_waits_waits_so_long() {
    for (name, tell, when) in WHEN {
        let known = guide::all_scenes();
        let scene = known.iter().find(|scene| scene.name == *name && scene.tell == Some(tell));
        let shown = scene.expect("the guide tells it").show().expect("it happens");
        let at = link::open(&shown.link).scenario.look.expect("an instant").at;
        assert!(when.contains(&(at.0 / 1000)), "{name}: {}", shown.sentence);
    }
}

#[test]
fn every_example_can_be_opened_from_the_guide() {
    let shown: Vec<_> = guide::all_scenes().into_iter().map(|scene| scene.name).collect();
    for preset in presets::all().iter().filter(|preset| preset.kind == presets::Kind::Example) {
        let name = format!("preset={}", preset.id);
        assert!(shown.contains(&name.as_str()), "{name} can't be opened on the page");
    }
}

/// All combinations of answers.
fn all_answers() -> impl Iterator<Item = Answers> {
    let sizes = QUESTIONS.map(|question| question.answers.len());
    (0..sizes.iter().product::<usize>()).map(move |mut number| {
        Answers(sizes.map(|size| {
            let answer = number % size;
            number /= size;
            answer
        }))
    })
}

/// Whatever is answered: Kafka takes the configuration as it is, the trials run under it, and nothing happens in them that
/// the answers forbid, but for what no configuration protects from.
#[test]
fn every_advice_is_valid_and_keeps_what_it_promises() {
    assert_eq!(all_answers().count(), 72);
    for answers in all_answers() {
        let advice = choosing::advise(answers);
        let context = format!("{:?}", answers.0);
        let (none_lost, never_twice) = (answers.none_lost(), answers.never_twice());
        let [.., waiting, outside] = answers.0;
        let trials = advice.trials();
        for trial in &trials {
            let context = format!("{context}: {}", trial.failure);
            let opened = link::open(&trial.shown.link);
            assert_eq!(opened.warnings, [""; 0], "{context}");
            let scenario = opened.scenario;
            assert_eq!(scenario.lower().expect("Kafka takes it").notes, [], "{context}");
            let producer = if scenario.application("T").is_some() { "T" } else { "P" };
            for (block, owner) in advice.blocks.iter().zip([producer, "t", "C"]) {
                for (key, value) in &block.lines {
                    let set = match *key {
                        "replication.factor" => scenario.topics[0].replicas.len().to_string(),
                        key => scenario.effective(owner, key).expect("a key").value,
                    };
                    assert_eq!(set, *value, "{context}: {key}");
                }
            }
            assert!(trial.beyond || trial.outcome != Outcome::Broken, "{context}: {}", trial.shown.sentence);
        }
        let outcome = |words: &str| {
            let mut trials = trials.iter().filter(|trial| trial.failure.contains(words));
            trials.next().unwrap_or_else(|| panic!("{context}: {words} is not tried")).outcome
        };
        for failure in
            ["connection is cut", "leader dies", "application dies", "loses power", "sends a record again"]
        {
            outcome(failure);
        }
        // What no configuration protects from is shown, where something was promised.
        assert_eq!(outcome("loses power") == Outcome::Broken, none_lost, "{context}");
        let once = never_twice && !(none_lost && outside == 2);
        assert_eq!(outcome("sends a record again") == Outcome::Broken, once, "{context}");
        if none_lost && never_twice && outside != 2 {
            assert_eq!(outcome("application dies"), Outcome::Kept, "{context}");
        }
        if none_lost && never_twice && outside == 0 {
            assert_eq!(outcome("read_uncommitted"), Outcome::Broken, "{context}");
            assert_eq!(outcome("answer to a commit"), Outcome::Kept, "{context}");
        }
        let asks = if none_lost || waiting > 0 { "all" } else { "0" };
        assert_eq!(advice.blocks[0].lines[0], ("acks", asks), "{context}");
        // Who wants what can't be had together is told.
        let needs = if none_lost && never_twice && outside == 0 { 2 } else { usize::from(none_lost) };
        let told = advice
            .notes
            .iter()
            .filter(|note| !note.starts_with("Order ") && !note.starts_with("Nothing "))
            .count();
        assert_eq!(told > 0, waiting < needs, "{context}");
        assert_eq!(
            advice.notes.iter().any(|note| note.starts_with("Nothing ")),
            none_lost && never_twice && outside == 2
        );
    }
}

/// Every text of a scene was run on a real Apache Kafka 4.1.1 as it stands; what came of it there is what comes of it here.
/// The order of requests is left to the recordings that are made for it.
#[test]
fn every_text_did_the_same_on_a_real_kafka() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = 0;
    for entry in fs::read_dir(root.join("src/view/guide/scenes")).expect("the scenes") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if name == "expected" {
            continue;
        }
        texts += 1;
        let text = fs::read_to_string(&path).expect("a text");
        let recording = fs::read_to_string(root.join(format!("tests/it/data/guide/{name}.json")));
        let recording: Value = serde_json::from_str(&recording.expect("its recording")).expect("JSON");
        let hash: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(recording["scenario_sha256"], hash, "{name} is not what was recorded");
        let run = run::run(&Arc::new(scenario::parse(&text).expect("a valid text")));
        let observed = serde_json::to_value(run.observations()).expect("JSON");
        for (key, recorded) in recording["observed"].as_object().expect("observations") {
            assert!(
                key == "wire" || observed[key] == *recorded,
                "{name}, {key}: {recorded}\nengine: {}",
                observed[key]
            );
        }
    }
    assert_eq!(texts, 33);
}
