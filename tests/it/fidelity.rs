//! The engine against a real Apache Kafka, and against the list of known outcomes: everything of `data/real-kafka` and
//! `data/rows` is run and compared, and `FIDELITY.md` says what came of it.

use kafka_guarantees::fidelity::{self, Fidelity, Standing, Totals};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Run once for all tests.
static FIDELITY: LazyLock<Fidelity> =
    LazyLock::new(|| fidelity::check(&project("tests/it/data")).unwrap_or_else(|bad| panic!("{bad}")));

fn totals() -> Totals {
    fidelity::totals(&FIDELITY)
}

/// How many files of a folder of data end so.
fn files(folder: &str, ending: &str) -> usize {
    let entries = fs::read_dir(project("tests/it/data").join(folder)).expect("the folder");
    entries
        .filter(|entry| {
            entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(ending))
        })
        .count()
}

#[test]
fn every_recording_agrees_or_differs_as_known() {
    let mut report = Vec::new();
    for recording in &FIDELITY.recordings {
        for (what, score) in recording.scores() {
            if !score.unexpected.is_empty() {
                report.push(format!("{}, {what}:\n    {}", recording.name, score.unexpected.join("\n    ")));
            }
        }
    }
    let totals = totals();
    println!("{} of {} recordings agree", totals.outcomes.agree, totals.recordings);
    let (texts, recordings) =
        (files("real-kafka/scenarios", ".txt"), files("real-kafka/recordings", ".json"));
    assert_eq!((totals.recordings, totals.recordings), (texts, recordings), "every file is compared");
    assert!(report.is_empty(), "{}", report.join("\n"));
}

#[test]
fn every_row_agrees_or_lies_outside() {
    let mut report = Vec::new();
    for row in &FIDELITY.rows {
        match &row.standing {
            Standing::Agrees | Standing::Outside { .. } => {}
            Standing::Disagrees => {
                for variant in row.variants.iter().filter(|variant| !variant.differences.is_empty()) {
                    let differences = variant.differences.join("\n    ");
                    report.push(format!("{} {}:\n    {differences}", variant.name, variant.title));
                }
            }
            Standing::Missing => report.push(format!("{}: no scenario, and no word why not", row.name)),
        }
    }
    assert_eq!(FIDELITY.rows.len(), 135);
    assert!(report.is_empty(), "{}", report.join("\n"));
}

const DIFFERS: &str = "tests/it/data/real-kafka/differs.json";

/// `differs.json` with what differs now, for the recordings that have a reason.
fn differs() -> String {
    let mut differs: Value =
        serde_json::from_str(&fs::read_to_string(project(DIFFERS)).expect("it is there"))
            .expect("it is JSON");
    for recording in &FIDELITY.recordings {
        for (kind, (_, score)) in ["outcomes", "replica_logs", "wire"].into_iter().zip(recording.scores()) {
            if let Some(known) = differs[kind].get_mut(&recording.name) {
                known["differences"] = score.differences.clone().into();
            }
        }
    }
    serde_json::to_string_pretty(&differs).expect("it is JSON") + "\n"
}

/// `UPDATE_EXPECT=1` writes what is generated: read the diff.
#[test]
fn the_table_is_not_stale() {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(project(DIFFERS), differs()).expect("it can be written");
    }
    let generated =
        [("FIDELITY.md", fidelity::markdown(&FIDELITY)), ("src/view/fidelity.tsv", totals().lines())];
    for (path, text) in generated {
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(project(path), text).expect("it can be written");
            continue;
        }
        let there = fs::read_to_string(project(path)).unwrap_or_default();
        assert!(
            there == text,
            "{path} is stale: UPDATE_EXPECT=1 cargo test --test it fidelity, and read the diff"
        );
    }
}

/// A folder that is like `data`, but for one file.
struct Altered(PathBuf);

impl Altered {
    /// A copy of a row and of what it needs.
    fn new(name: &str) -> Altered {
        let folder = std::env::temp_dir().join(format!("kafka-guarantees-{}-{name}", std::process::id()));
        for below in ["rows", "real-kafka/scenarios", "real-kafka/recordings"] {
            fs::create_dir_all(folder.join(below)).expect("a folder");
        }
        let altered = Altered(folder);
        for file in [
            "real-kafka/scenarios/lost-ack-nonidemp.txt",
            "real-kafka/recordings/lost-ack-nonidemp.json",
            "rows/P25.json",
        ] {
            fs::copy(project("tests/it/data").join(file), altered.0.join(file)).expect("a copy");
        }
        altered.write("rows/outside.json", "{}");
        altered.write("real-kafka/differs.json", r#"{"outcomes": {}, "replica_logs": {}, "wire": {}}"#);
        altered
    }

    fn write(&self, file: &str, content: &str) {
        fs::write(self.0.join(file), content).expect("a file");
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.0.join(file)).expect("a file");
    }

    fn replace(&self, file: &str, from: &str, to: &str) {
        let content = fs::read_to_string(self.0.join(file)).expect("a file");
        assert!(content.contains(from), "{file} has {from}");
        self.write(file, &content.replacen(from, to, 1));
    }

    fn check(&self) -> Fidelity {
        fidelity::check(&self.0).expect("usable data")
    }

    fn problem(&self) -> String {
        fidelity::check(&self.0).expect_err("unusable data").to_string()
    }
}

impl Drop for Altered {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_recording_that_says_something_else_is_noticed() {
    let altered = Altered::new("recording");
    altered.remove("rows/P25.json");
    let recording = |fidelity: &Fidelity| fidelity.recordings[0].clone();
    let same = recording(&altered.check());
    assert!(same.outcomes.agrees && same.replica_logs.agrees && same.wire.agrees);
    let file = "real-kafka/recordings/lost-ack-nonidemp.json";
    altered.replace(file, "\"failed_yet_in_log\": 0", "\"failed_yet_in_log\": 1");
    altered.replace(file, "offset 0, leader epoch 0: r0", "offset 0, leader epoch 3: r0");
    altered.replace(file, "Produce #2 acks=-1 [p0 r0]", "Produce #2 acks=-1 [p0 r1]");
    let other = recording(&altered.check());
    for (score, path) in [
        (other.outcomes, "verdict.failed_yet_in_log"),
        (other.replica_logs, "replica_logs.B1"),
        (other.wire, "P: only recorded"),
    ] {
        assert!(score.differences[0].contains(path), "{path}: {}", score.differences[0]);
        assert_eq!(score.unexpected, score.differences, "nothing is known to differ");
    }
}

#[test]
fn a_known_difference_excuses_itself_and_nothing_else() {
    let altered = Altered::new("known");
    altered.remove("rows/P25.json");
    let file = "real-kafka/recordings/lost-ack-nonidemp.json";
    altered.replace(file, "Produce #1 acks=-1 [p0 r0]", "Produce #1 acks=-1 [p0 r2]");
    altered.replace(file, "Produce #2 acks=-1 [p0 r0]", "Produce #2 acks=-1 [p0 r1]");
    let differences = altered.check().recordings[0].wire.differences.clone();
    let known = |differences: &[String]| {
        let known =
            serde_json::json!({"lost-ack-nonidemp": {"reason": "so it is", "differences": differences}});
        altered.write(
            "real-kafka/differs.json",
            &serde_json::json!({"outcomes": {}, "replica_logs": {}, "wire": known}).to_string(),
        );
        let fidelity = altered.check();
        let holds = fidelity.recordings[0].scores().iter().all(|(_, score)| score.unexpected.is_empty());
        (fidelity.recordings[0].wire.clone(), holds)
    };
    let (score, holds) = known(&differences);
    assert_eq!((score.reason.as_deref(), score.unexpected.len(), holds), (Some("so it is"), 0, true));
    // One of them is new.
    let (score, holds) = known(&differences[1..]);
    assert_eq!((score.reason, score.unexpected, holds), (None, vec![differences[0].clone()], false));
    // One is gone.
    let gone = "P: another".to_string();
    let (score, holds) = known(&[differences.clone(), vec![gone.clone()]].concat());
    assert_eq!((score.reason, score.unexpected.len(), holds), (None, 1, false));
    assert!(score.unexpected[0].contains(&gone), "{:?}", score.unexpected);
    // A text that can't be run is not what is known, whatever is said of it.
    altered.replace("real-kafka/scenarios/lost-ack-nonidemp.txt", "P send r0", "P sends r0");
    let error = altered.check().recordings[0].wire.unexpected.clone();
    let (score, holds) = known(&error);
    assert_eq!((score.reason, score.unexpected, holds), (None, error, false));
}

#[test]
fn a_row_is_held_to_its_expectation() {
    let altered = Altered::new("row");
    let text = fs::read_to_string(altered.0.join("real-kafka/scenarios/lost-ack-nonidemp.txt")).expect("it");
    altered.write("rows/P25-other.txt", &text);
    for (duplicates, standing) in [(1, Standing::Agrees), (0, Standing::Disagrees)] {
        let expect = format!(r#"{{"verdict": {{"duplicates": {duplicates}}}}}"#);
        let fixture = r#"{"row": "P25", "title": "a", "claim": "b", "source": "specification", "expect": "#;
        altered.write("rows/P25-other.json", &format!("{fixture}{expect}}}"));
        let fidelity = altered.check();
        let row = fidelity.rows.iter().find(|row| row.name == "P25").expect("the row");
        assert_eq!((row.variants.len(), &row.standing), (2, &standing), "{row:?}");
    }
}

#[test]
fn data_that_does_not_hold_together_is_refused() {
    for (place, (file, from, to, problem)) in [
        ("rows/P25.json", "\"P25\"", "\"P99\"", "row P99: expected one of"),
        ("rows/P25.json", "\"P25\"", "\"P26\"", "expected the name P26.json"),
        ("rows/P25.json", "\"duplicates\": 1", "\"duplicates\": 2", "the recording itself does not meet it"),
        ("rows/P25.json", "\"verdict\"", "\"verdicts\"", "expect.verdicts: expected one of"),
        ("rows/P25.json", "\"title\"", "\"heading\"", "unknown field `heading`"),
        ("rows/outside.json", "{}", "{\"P25\": \"because\"}", "outside.json says that P25 is outside"),
        ("rows/outside.json", "{}", "{\"P77\": \"because\"}", "there is no row P77"),
        ("rows/outside.json", "{}", "{\"P26\": \" \"}", "P26: expected a reason"),
        (
            "real-kafka/differs.json",
            "\"wire\": {}",
            r#""wire": {"x": {"reason": "y", "differences": ["z"]}}"#,
            "there is no recording x",
        ),
        (
            "real-kafka/differs.json",
            "\"wire\": {}",
            r#""wire": {"lost-ack-nonidemp": {"reason": " ", "differences": ["z"]}}"#,
            "lost-ack-nonidemp: expected a reason",
        ),
        (
            "real-kafka/differs.json",
            "\"wire\": {}",
            r#""wire": {"lost-ack-nonidemp": {"reason": "y", "differences": []}}"#,
            "lost-ack-nonidemp: expected a reason",
        ),
        ("rows/P25.json", "recording lost", "recording lots", "source recording lots-ack-nonidemp: expected"),
        ("real-kafka/scenarios/lost-ack-nonidemp.txt", "row P25", "row P26", "does not say row P25"),
    ]
    .into_iter()
    .enumerate()
    {
        let altered = Altered::new(&format!("refused-{place}"));
        altered.replace(file, from, to);
        let found = altered.problem();
        assert!(found.contains(problem), "{file}, {from} -> {to}: {found}");
    }
}
