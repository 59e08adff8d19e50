//! The texts that a real Kafka was recorded with: all can be read, and print back to what they say.

use std::fs;
use std::path::Path;

use kafka_guarantees::engine::run;
use kafka_guarantees::scenario::{self, Scenario};
use kafka_guarantees::view::figure::{Figure, Look};
use kafka_guarantees::view::scene::Options;
use std::sync::Arc;

/// Name and text of each.
fn texts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/real-kafka/scenarios");
    let mut texts: Vec<_> = fs::read_dir(folder)
        .expect("the folder of texts")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a text"))
        })
        .collect();
    texts.sort();
    texts
}

fn read(name: &str, text: &str) -> Scenario {
    let reading = scenario::read(text);
    assert!(reading.problems.is_empty(), "{name}: {:?}", reading.problems);
    assert!(reading.lowered.is_some(), "{name} is not resolved");
    reading.scenario
}

#[test]
fn every_recorded_text_is_read_and_printed_back() {
    let texts = texts();
    assert!(texts.len() >= 81);
    for (name, text) in texts {
        let scenario = read(&name, &text);
        let printed = scenario.to_text();
        assert_eq!(read(&name, &printed), scenario, "{name}");
        assert_eq!(read(&name, &printed).to_text(), printed, "{name}");
    }
}

/// Also where messages are under way as the story ends.
#[test]
fn every_recorded_text_is_drawn() {
    for (name, text) in texts() {
        let setup = Arc::new(scenario::parse(&text).expect("a valid text"));
        let figure = Figure::new(run::run(&setup));
        for background in [false, true] {
            let look = Look::new(&figure, &Options { background, ..Options::default() });
            assert!(!look.scene.marks.is_empty() && !look.lines.is_empty(), "{name}");
        }
    }
}

#[test]
fn a_step_keeps_its_wording() {
    // The observed calls are listed by it: "P offsets C 4 group-id-only -> ok".
    for (name, text) in texts() {
        let lowered = scenario::read(&text).lowered.expect("a setup");
        for line in &lowered.setup.script {
            let written = text.lines().nth(line.line as usize - 1).expect("its line");
            let written = written.split(" #").next().unwrap_or_default().trim().trim_end_matches(" &");
            // 1700ms is printed as 1.7s; waits are no calls.
            if written.starts_with("wait ") {
                continue;
            }
            assert_eq!(line.text, written, "{name}, line {}", line.line);
        }
    }
}

/// The blocks of `docs/scenario-text.md` that stand between three backticks.
fn documented_blocks() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenario-text.md");
    let text = fs::read_to_string(path).expect("the document");
    text.split("```").skip(1).step_by(2).map(|block| block.trim().to_owned()).collect()
}

#[test]
fn the_document_says_what_is_read() {
    let blocks = documented_blocks();
    let head = "kafka-guarantees 1\ntopic t replicas=B1,B2,B3\ntopic out replicas=B1\n\
                consumer C group.id=g enable.auto.commit=false\n";
    let (mut texts, mut programs, mut steps, mut links) = (0, 0, 0, 0);
    for block in &blocks {
        if block.starts_with("kafka-guarantees") {
            read("the example", block);
            texts += 1;
            continue;
        }
        for line in block.lines() {
            let line = line.split("   ").next().unwrap_or_default();
            if line.starts_with("v=1&") {
                assert_eq!(scenario::link::open(line).warnings, Vec::<String>::new(), "{line}");
                links += 1;
            } else if line.starts_with("program ") {
                let is_transactional = line.contains("transaction=") || line.contains("transform");
                let producer = if is_transactional { "producer P transactional.id=x" } else { "producer P" };
                read(line, &format!("{head}{producer}\n{line}\n"));
                programs += 1;
            } else if line.starts_with(|c: char| "fraoP".contains(c)) && !block.contains("cluster ") {
                let program = "producer P\nprogram C consume commit=after-batch";
                read(line, &format!("{head}{program}\n{line}\n"));
                steps += 1;
            }
        }
    }
    assert_eq!((texts, programs, steps, links), (1, 4, 8, 2));
}

#[test]
fn the_document_lists_the_profile() {
    let scenario = read(
        "the profile",
        "kafka-guarantees 1\nprofile recorder\ntopic t replicas=B1\nproducer P\nconsumer C group.id=g\n",
    );
    let blocks = documented_blocks();
    let block = blocks.iter().find(|block| block.starts_with("cluster ")).expect("the profile's block");
    let mut owner = "";
    let mut settings = 0;
    for word in block.split_whitespace() {
        match word.split_once('=') {
            None => owner = word,
            Some((key, value)) => {
                let owner = [("cluster", ""), ("producer", "P"), ("consumer", "C")]
                    .into_iter()
                    .find(|(name, _)| *name == owner)
                    .expect("an owner")
                    .1;
                let effective = scenario.effective(owner, key).unwrap_or_else(|| panic!("there is no {key}"));
                assert_eq!(
                    (effective.value.as_str(), effective.origin),
                    (value, scenario::Origin::Profile),
                    "{key}"
                );
                settings += 1;
            }
        }
    }
    assert_eq!(settings, 23);
}

#[test]
fn every_link_that_was_ever_good_still_is() {
    // Lines are added to this file, never changed.
    let links = include_str!("data/links-v1.txt");
    assert!(links.lines().count() >= 8);
    for link in links.lines() {
        let opened = scenario::link::open(link);
        assert_eq!(opened.warnings, Vec::<String>::new(), "{link}");
        let again = scenario::link::open(&opened.scenario.to_link());
        assert_eq!((again.scenario, again.warnings), (opened.scenario, vec![]), "{link}");
    }
}
