//! A table of questions and answers in `data/explore`: the scenario with its question in the first line, and the answer
//! beside it. `UPDATE_EXPECT=1` writes the answers anew.

use super::{breaks_as_text, scenario, search};
use kafka_guarantees::engine::explore::promise::Promise;
use kafka_guarantees::scenario::explored::{self, Answer, Exploration, Question};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/explore")
}

/// `# promise=order max-faults=1 records=3`
fn question(text: &str) -> Question {
    let line =
        text.lines().next().and_then(|line| line.strip_prefix("# ")).expect("the question in the first line");
    let text = text.split_once('\n').expect("a scenario").1;
    let mut question = Question::new(&scenario(text), Promise::NoDuplicate);
    for word in line.split(' ') {
        let (key, value) = word.split_once('=').expect("KEY=VALUE");
        let number = || value.parse().expect("a number");
        match key {
            "promise" => question.promise = Promise::by_name(value).expect("a promise"),
            "max-faults" => question.faults = number(),
            "records" => question.records = number(),
            "seeds" => question.seeds = number(),
            "faults" => question.kinds = explored::kinds(value).expect("kinds"),
            _ => panic!("{key}"),
        }
    }
    question
}

/// The answer as the fixtures have it.
fn tell(answer: &Answer) -> String {
    let mut told = String::new();
    let (faults, records, lines) = match answer {
        Answer::Found { faults, records, lines, .. } => (faults, records, lines.as_slice()),
        Answer::NoneWithin { faults, records } | Answer::LimitReached { faults, records } => {
            (faults, records, &[][..])
        }
    };
    let _ = writeln!(told, "{}, faults {faults}, records {records}", answer.name());
    lines.iter().for_each(|line| told += &format!("{line}\n"));
    told
}

fn has_reached_the_opposite(exploration: &Exploration) -> bool {
    let looked = exploration.progress().looked;
    exploration.promise().opposite().iter().any(|sign| looked.sign(*sign) > 0)
}

/// Answers a fixture; what is wrong with the answer.
fn check(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).expect("a fixture");
    let question = question(&text);
    let (answer, exploration) = search(&question);
    let told = tell(&answer);
    assert_eq!(exploration.progress().looked.given_up, 0, "{}: every run comes to its end", path.display());
    match &answer {
        Answer::Found { scenario, .. } => {
            assert!(breaks_as_text(scenario, question.promise), "{}", scenario.to_text());
            let calm = explored::calm(scenario);
            assert!(
                !breaks_as_text(&calm, question.promise),
                "without faults it is broken too:\n{}",
                calm.to_text()
            );
        }
        // An empty search must have looked in the right place.
        _ => assert!(
            has_reached_the_opposite(&exploration),
            "{}: {:?}",
            path.display(),
            exploration.progress()
        ),
    }
    let expected = path.with_extension("answer");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&expected, &told).expect("written");
    }
    let expected = std::fs::read_to_string(&expected).unwrap_or_default();
    (expected != told).then(|| format!("{}: expected\n{expected}\nfound\n{told}", path.display()))
}

#[test]
fn the_expected_answers_are_found() {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the fixtures")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 20, "{}", paths.len());
    let wrong: Vec<String> = paths.iter().filter_map(|path| check(path)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Consume, transform, produce in transactions, with client crashes and network faults up to two. Minutes without
/// optimisation: `cargo test --release --test it up_to_two -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn transactions_are_kept_up_to_two_faults() {
    for name in ["transform-skip", "transform-one-effect", "transform-whole"] {
        let text = std::fs::read_to_string(folder().join(name).with_extension("txt")).expect("a fixture");
        let question = Question { faults: 2, records: 1, ..question(&text) };
        let (answer, exploration) = search(&question);
        assert_eq!(answer, Answer::NoneWithin { faults: 2, records: 1 }, "{name}");
        assert!(has_reached_the_opposite(&exploration), "{name}");
    }
}
