//! What Kafka's own tests say (kafka-semantics 6): `data/facts.json` tells of each of the 91 facts which tests of Kafka
//! state it, and for each of those where it is tested here, or why it lies outside the model (`without`: what of the fact the model does not have). This holds the table to the source: the tests that it names exist, and say which test of Kafka they stand for.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// How many facts there are.
const FACTS: u64 = 91;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The file of a module: `engine::kafka::broker::tests`, or `it::kafka_tests`.
fn file(module: &[&str]) -> Option<PathBuf> {
    let (folder, module) = match module {
        ["it", rest @ ..] => ("tests/it", rest),
        _ => ("src", module),
    };
    let path = |module: &[&str]| root().join(folder).join(module.join("/"));
    // A module has a file of its own, or is a block of its parent's.
    let inline = module.split_last().map(|(_, parent)| parent.to_vec()).unwrap_or_default();
    let candidates = [
        path(module).with_extension("rs"),
        path(module).join("mod.rs"),
        path(&inline).with_extension("rs"),
        path(&inline).join("mod.rs"),
    ];
    candidates.into_iter().find(|file| file.is_file())
}

/// The text of a test: its comments, its attributes, its body, and the tables that it goes through. None: there is no
/// such test.
fn test_text(source: &str, name: &str) -> Option<String> {
    let (at, indent) = source.match_indices(&format!("fn {name}()")).find_map(|(at, _)| {
        let line = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let indent = &source[line..at];
        indent.chars().all(|c| c == ' ').then_some((line, indent))
    })?;
    let mut from = at;
    let mut is_test = false;
    while from > 0 {
        let line = source[..from - 1].rfind('\n').map_or(0, |newline| newline + 1);
        let text = source[line..from].trim();
        if !(text.starts_with("///") || text.starts_with("#[")) {
            break;
        }
        is_test |= text == "#[test]";
        from = line;
    }
    let end = source[at..].find(&format!("\n{indent}}}\n")).map_or(source.len(), |end| at + end);
    let mut text = source[from..end].to_string();
    for (at, _) in source.match_indices("\nconst ") {
        let Some((table, _)) = source[at..].split_once("\n];\n") else { continue };
        let declaration = table["\nconst ".len()..].lines().next().unwrap_or_default();
        let name = declaration.split(':').next().unwrap_or_default();
        if declaration.ends_with('[') && text.contains(name) {
            text.push_str(table);
        }
    }
    is_test.then_some(text)
}

/// What is wrong with a table, in words, and how many facts are tested and how many lie outside.
fn audit(table: &Value) -> (Vec<String>, usize, usize) {
    let mut wrong = Vec::new();
    let (mut tested, mut outside) = (0, 0);
    let facts = table.as_array().map(Vec::as_slice).unwrap_or_default();
    for number in 1..=FACTS {
        let count = facts.iter().filter(|fact| fact["number"].as_u64() == Some(number)).count();
        if count != 1 {
            wrong.push(format!("fact {number} is there {count} times"));
        }
    }
    for fact in facts {
        let number = &fact["number"];
        let tests =
            fact["tests"].as_object().map(|tests| tests.iter().collect::<Vec<_>>()).unwrap_or_default();
        if tests.is_empty() || fact["says"].as_str().is_none_or(str::is_empty) {
            wrong.push(format!("fact {number}: says nothing, or names no test of Kafka"));
        }
        let mut is_tested = false;
        for (kafka_test, place) in tests {
            let method = kafka_test.rsplit('.').next().unwrap_or(kafka_test);
            match (place.as_array(), place["outside"].as_str()) {
                (Some(places), _) if !places.is_empty() => {
                    is_tested = true;
                    for place in places {
                        let path: Vec<&str> = place.as_str().unwrap_or_default().split("::").collect();
                        let (name, module) = path.split_last().expect("split gives at least one");
                        let source = file(module).and_then(|file| fs::read_to_string(file).ok());
                        match source.as_deref().and_then(|text| test_text(text, name)) {
                            None => {
                                wrong.push(format!("fact {number}, {kafka_test}: there is no test {place}"))
                            }
                            Some(text) if !text.contains(method) => {
                                wrong.push(format!("fact {number}, {kafka_test}: {place} does not name it"));
                            }
                            Some(_) => {}
                        }
                    }
                }
                (None, Some(why)) if !why.is_empty() => {}
                _ => wrong
                    .push(format!("fact {number}, {kafka_test}: neither tested nor outside for a reason")),
            }
        }
        if is_tested { tested += 1 } else { outside += 1 }
    }
    (wrong, tested, outside)
}

fn table() -> Value {
    let text = fs::read_to_string(root().join("tests/it/data/facts.json")).expect("the table");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn every_fact_is_tested_or_outside_for_a_reason() {
    let (wrong, tested, outside) = audit(&table());
    println!("{tested} of {FACTS} facts are tested, {outside} lie outside the model");
    assert_eq!((tested, outside), (91, 0), "of each fact at least one test of Kafka");
    assert!(wrong.is_empty(), "{} errors\n{}", wrong.len(), wrong.join("\n"));
}

/// The audit itself: what is missing or wrong in the table must be noticed.
#[test]
fn a_wrong_table_is_noticed() {
    type Break = fn(&mut Vec<Value>);
    let breaks: [(&str, Break); 7] = [
        ("fact 91 is there 0 times", |facts| drop(facts.pop())),
        ("fact 1 is there 2 times", |facts| facts.push(facts[0].clone())),
        ("there is no test", |facts| {
            facts[0]["tests"]["X.testY"] = serde_json::json!(["engine::kafka::broker::tests::nowhere"]);
        }),
        // A function of that name that is no test.
        ("there is no test", |facts| {
            facts[0]["tests"]["X.testY"] = serde_json::json!(["it::facts::table"]);
        }),
        ("does not name it", |facts| {
            facts[0]["tests"]["X.testY"] =
                serde_json::json!(["engine::kafka::broker::tests::transactions::markers"]);
        }),
        // Another test of the same file names it.
        ("does not name it", |facts| {
            let elsewhere = serde_json::json!(["it::kafka_tests::fencing"]);
            facts[0]["tests"]["X.testUncleanLeaderElectionEnabled"] = elsewhere;
        }),
        ("neither tested nor outside", |facts| facts[0]["tests"]["X.testY"] = serde_json::json!([])),
    ];
    for (expected, change) in breaks {
        let mut table = table();
        change(table.as_array_mut().expect("a list"));
        let wrong = audit(&table).0;
        assert!(wrong.len() == 1 && wrong[0].contains(expected), "{expected}: {wrong:?}");
    }
}
