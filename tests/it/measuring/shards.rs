//! The command line: cores and shards change nothing, and what can't be joined is refused with the file's name.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};

fn measure(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kafka-guarantees"))
        .arg("measure")
        .args(words)
        .output()
        .expect("the program starts")
}

fn printed(words: &[&str]) -> String {
    let output = measure(words);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), error.as_str()), (Some(0), ""), "{words:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn refusal(words: &[&str]) -> String {
    let output = measure(words);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), b"".as_slice()), "{words:?}");
    String::from_utf8(output.stderr).expect("text").trim_end().to_owned()
}

const SMALL: [&str; 9] =
    ["--matrix", "--runs", "90", "--seed", "4", "--records", "10", "--saturating-records", "40"];

fn small(more: &[&'static str]) -> Vec<&'static str> {
    SMALL.iter().chain(more).copied().collect()
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

#[test]
fn cores_and_shards_change_nothing() {
    let whole = printed(&small(&["--json", "--threads", "1"]));
    assert_eq!(printed(&small(&["--json", "--threads", "3"])), whole);
    let folder = folder("shards");
    let mut names = Vec::new();
    for share in ["2/3", "3/3", "1/3"] {
        let name = folder.join(share.replace('/', "-of-")).display().to_string();
        std::fs::write(&name, printed(&small(&["--shard", share]))).expect("written");
        names.push(name);
    }
    let mut words = vec!["merge", "--json"];
    words.extend(names.iter().map(String::as_str));
    assert_eq!(printed(&words), whole, "the very bits of the whole");

    let json: Value = serde_json::from_str(&whole).expect("JSON");
    assert_eq!((&json["runs"], &json["seed"]), (&Value::from(90), &Value::from(4)));
    for column in ["at-most-once", "at-least-once", "exactly-once"] {
        let lost = &json["columns"][column]["acknowledged_lost_per_million"];
        let [value, low, high] = ["value", "low", "high"].map(|key| lost[key].as_f64().expect("a number"));
        assert!(low <= value && value <= high && high > 0.0, "{column}: {lost}");
        assert_eq!(json["columns"][column]["runs"]["faults"]["ended"], 90);
    }

    let with = |names: &[&str]| refusal(&[&["merge"], names].concat());
    assert_eq!(with(&[&names[0], &names[1]]), "share 1/3 is missing");
    assert!(with(&[&names[0], &names[0]]).starts_with(&format!("{}: share 2/3 is in", names[0])));
    let other = folder.join("other").display().to_string();
    std::fs::write(&other, printed(&["at-least-once", "--runs", "9", "--records", "10", "--shard", "1/3"]))
        .expect("written");
    assert_eq!(with(&[&names[0], &other]), format!("{other}: a shard of another campaign than {}", names[0]));
    std::fs::write(&other, "{}").expect("written");
    assert!(with(&[&other]).starts_with(&format!("{other}: not a shard: ")));
}

#[test]
fn a_run_behind_a_number_can_be_printed() {
    let text = printed(&["at-least-once", "--seed", "4", "--records", "10", "--explain", "2"]);
    let scenario = kafka_guarantees::scenario::read(&text);
    assert_eq!(scenario.problems, []);
    assert!(text.contains("program P produce 10 every 10ms"), "{text}");
}

#[test]
fn bad_options_are_refused_by_name() {
    let rows: [(&[&str], &str); 8] = [
        (&[], "expected a scenario or --matrix"),
        (&["--matrix", "--runs", "0"], "--runs: expected a whole number from 1 to 1000000000, found '0'"),
        (
            &["--matrix", "--shard", "4/3"],
            "--shard: expected a share such as 3/16, the first being 1/16, found '4/3'",
        ),
        (
            &["--matrix", "--fault", "flood=3"],
            "--fault: no kind 'flood': request-cut, response-cut, stall, client-crash, client-pause, broker-kill, broker-pause, power-loss are known",
        ),
        (
            &["--matrix", "--fault", "stall=3/soon"],
            "--fault: expected a time such as 300ms or 2.5s, found 'soon'",
        ),
        (&["--matrix", "--explain", "1"], "--explain: expected one scenario, not --matrix"),
        (
            &["at-most-once-lost-in-delivery", "at-least-once"],
            "one scenario at a time, found 'at-least-once' as well",
        ),
        (&["--matrix", "--seed"], "--seed: expected a seed after it"),
    ];
    for (words, message) in rows {
        assert_eq!(refusal(words), message);
    }
}
