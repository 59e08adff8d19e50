//! The command-line runner, as someone calls it in a shell.

use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_kafka-guarantees"))
}

fn call(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("the program starts")
}

/// The program's answer when `text` comes on its standard input.
fn fed(text: &str, arguments: &[&str]) -> Output {
    let mut child = program()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("it reads");
    child.wait_with_output().expect("the program ends")
}

fn real_kafka(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/real-kafka").join(path)
}

fn recorded_text(name: &str) -> String {
    std::fs::read_to_string(real_kafka(&format!("scenarios/{name}.txt"))).expect("the text")
}

fn printed(output: &Output) -> &str {
    assert_eq!((output.status.code(), error(output)), (Some(0), ""), "a run without an error");
    std::str::from_utf8(&output.stdout).expect("text")
}

fn error(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

/// The one message of a call that was refused.
fn refusal(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"", "nothing but the message");
    let message = error(output);
    assert_eq!(message.lines().count(), 1, "one message: {message}");
    message
}

#[test]
fn the_text_of_a_recording_is_told_as_a_story() {
    let path = real_kafka("scenarios/lost-ack-nonidemp.txt");
    let from_file = call(&["run", path.to_str().expect("a path")]);
    let story = printed(&from_file);
    let told_in_order = [
        "P sends record 0 to B1",
        "B1 appends record 0 at offset 0.",
        "The answer to Produce (record 0) from B1 is lost with the connection",
        "attempt 2",
        "B1 appends record 0 at offset 1.",
        "r0: acknowledged, offset 1",
        "the log, read uncommitted: r0 r0",
        "1 duplicates",
    ];
    let mut rest = story;
    for sentence in told_in_order {
        let (_, after) = rest.split_once(sentence).unwrap_or_else(|| panic!("no '{sentence}' in\n{rest}"));
        rest = after;
    }
    let from_input = fed(&recorded_text("lost-ack-nonidemp"), &["run", "-"]);
    assert_eq!(printed(&from_input), story, "standard input is read like a file");
}

#[test]
fn json_has_the_keys_of_the_recordings() {
    for name in ["lost-ack-nonidemp", "process-then-commit-crash", "txn-abort"] {
        let path = real_kafka(&format!("scenarios/{name}.txt"));
        let output = call(&["run", "--json", path.to_str().expect("a path")]);
        let answer: Value = serde_json::from_str(printed(&output)).expect("JSON");
        let recording = std::fs::read_to_string(real_kafka(&format!("recordings/{name}.json"))).expect("it");
        let mut recording: Value = serde_json::from_str(&recording).expect("JSON");
        // Whether the bytes agree is another question, and asked elsewhere.
        recording["observed"].as_object_mut().expect("observations").shift_remove("wire");
        let mut answered = answer.clone();
        answered["observed"].as_object_mut().expect("observations").shift_remove("wire");
        let keys =
            |value: &Value| value.as_object().map(Map::keys).expect("an object").cloned().collect::<Vec<_>>();
        assert_eq!(keys(&answered), keys(&recording), "{name}");
        assert_eq!(keys(&answered["observed"]), keys(&recording["observed"]), "{name}");
        for key in ["id", "kafka", "scenario_sha256"] {
            assert_eq!(answer[key], recording[key], "{name}: {key}");
        }
    }
}

#[test]
fn the_trace_has_one_fact_a_line_each_because_of_an_earlier_one() {
    let output = call(&["run", "at-least-once-lost-acknowledgement", "--trace"]);
    let facts: Vec<&str> = printed(&output).lines().collect();
    assert!(facts.len() > 100, "{} facts", facts.len());
    for (place, fact) in facts.iter().enumerate() {
        assert!(fact.starts_with(&format!("{place} ")), "{fact}");
        if let Some((_, cause)) = fact.split_once(" because of ") {
            let cause =
                cause.split(':').next().and_then(|cause| cause.parse::<usize>().ok()).expect("a number");
            assert!(cause < place, "{fact}");
        }
    }
}

#[test]
fn a_typo_is_answered_with_its_line_and_word() {
    let text = recorded_text("lost-ack-nonidemp").replace("acks=all", "akcs=all");
    let place = 1 + text.lines().position(|line| line.contains("akcs")).expect("the typo");
    let output = fed(&text, &["run", "-"]);
    let message = refusal(&output);
    assert!(message.contains(&format!("line {place},")), "{message}");
    assert!(message.contains("akcs") && message.contains("acks, "), "{message}");

    let output = fed("kafka-guarantees 1\ntopic t replicas=B1\nproducer P\nP sned r0\n", &["run", "-"]);
    let message = refusal(&output);
    assert!(message.contains("line 4,") && message.contains("sned"), "{message}");
}

#[test]
fn what_kafka_refuses_is_answered_in_its_own_words() {
    let text =
        "kafka-guarantees 1\ntopic t replicas=B1\nproducer P enable.idempotence=true acks=1\nP send r0\n";
    let output = fed(text, &["run", "-"]);
    let message = refusal(&output);
    let kafka_says = "Must set acks to all in order to use the idempotent producer.";
    assert!(message.contains("line 3,") && message.contains(kafka_says), "{message}");
}

#[test]
fn a_run_that_is_given_up_names_the_step_that_did_not_end() {
    let text = "kafka-guarantees 1\ntopic t replicas=B1\nproducer P transactional.id=x\nP init\nP begin\nP pause\n\
                P commit\nP resume\n";
    let output = fed(text, &["run", "-"]);
    let message = error(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(message.contains("line 7, 'P commit'") && message.contains("does not end within"), "{message}");
}

#[test]
fn the_names_of_internal_topics_are_taken() {
    for name in ["__consumer_offsets", "__transaction_state"] {
        let output = fed(&format!("kafka-guarantees 1\ntopic {name} replicas=B1\n"), &["run", "-"]);
        let message = refusal(&output);
        assert!(message.contains("line 2,") && message.contains("Kafka's own"), "{message}");
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let unknown = call(&["run", "at-lest-once"]);
    assert!(refusal(&unknown).contains("at-lest-once"));
    let option = call(&["run", "at-least-once", "--jsno"]);
    assert!(refusal(&option).contains("--jsno"));
    let two = call(&["run", "at-least-once", "at-most-once"]);
    assert!(refusal(&two).contains("at-most-once"));
    for arguments in [&["rum"][..], &["run"], &[]] {
        let output = call(arguments);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{arguments:?}");
        assert!(error(&output).contains("usage: kafka-guarantees run"), "{arguments:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    // Longer than what a pipe holds, so that the program must notice that nobody reads.
    let mut child = program()
        .args(["run", "at-least-once", "--trace"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = String::new();
    let mut reader = BufReader::with_capacity(64, child.stdout.take().expect("its output"));
    reader.read_line(&mut first).expect("a line");
    drop(reader);
    let mut complaint = String::new();
    child.stderr.take().expect("its errors").read_to_string(&mut complaint).expect("text");
    let status = child.wait().expect("it ends");
    assert!(first.starts_with("0 "), "{first}");
    assert_eq!((status.code(), complaint.as_str()), (Some(0), ""));
}

#[test]
fn the_presets_are_listed_and_each_runs() {
    let output = call(&["presets"]);
    let names: Vec<&str> =
        printed(&output).lines().map(|line| line.split_whitespace().next().expect("a name")).collect();
    assert_eq!(names.len(), 18);
    for name in names {
        let run = call(&["run", name]);
        assert!(printed(&run).contains("the log, read uncommitted:"), "{name}");
    }
}

#[test]
fn a_link_runs_as_the_page_opens_it() {
    let text = recorded_text("lost-ack-nonidemp");
    let link = kafka_guarantees::scenario::read(&text).scenario.to_link();
    let by_link = call(&["run", &format!("https://example.org/#{link}")]);
    let by_text = fed(&text, &["run", "-"]);
    assert_eq!(printed(&by_link), printed(&by_text));
}

#[test]
fn fidelity_prints_the_table_of_a_folder_with_the_totals_last() {
    let data = real_kafka("..");
    let called = call(&["fidelity", data.to_str().expect("a path")]);
    let text = std::str::from_utf8(&called.stdout).expect("text");
    assert!(text.contains("\nP25                agrees     "), "{text}");
    assert!(text.lines().any(|line| line.starts_with("lost-ack-nonidemp ") && line.ends_with(" wire agree")));
    let last = text.lines().last().expect("a line");
    assert!(last.starts_with("rows ") && last.contains(" of 135 agree, "), "{last}");
    let json = call(&["fidelity", "--json", data.to_str().expect("a path")]);
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["rows"].as_array().map(Vec::len), Some(135));
    assert_eq!(json["totals"]["rows"], 135);
}

#[test]
fn fidelity_without_its_data_says_where_to_call_it() {
    let called = call(&["fidelity", "src"]);
    assert!(refusal(&called).starts_with("src: expected a folder with 'real-kafka' and 'rows' in it"));
    let called = call(&["fidelity", "--xml"]);
    assert!(refusal(&called).starts_with("no option '--xml'"));
}

#[test]
fn explore_answers_with_a_script_that_plays() {
    let lossy = "kafka-guarantees 1\ntopic t replicas=B1,B2,B3\nproducer P acks=all enable.idempotence=false\n\
                 program P produce 3 every 20ms\nat 1s B2 kill\n";
    let output = fed(lossy, &["explore", "-", "--promise", "no-duplicate", "--max-faults", "1", "--json"]);
    let answer: Value = serde_json::from_str(printed(&output)).expect("JSON");
    assert_eq!(
        (&answer["answer"], &answer["faults"], &answer["records"]),
        (&"found".into(), &1.into(), &1.into())
    );
    assert!(answer["states"].as_u64() > Some(0) && answer["milliseconds"].is_u64(), "{answer}");
    let script = answer["script"].as_str().expect("a text");
    assert!(!script.contains("B2 kill"), "the scenario's own faults are left out: {script}");
    let played = fed(script, &["run", "-", "--json"]);
    let played: Value = serde_json::from_str(printed(&played)).expect("JSON");
    assert_eq!(played["observed"]["verdict"]["duplicates"], 1);

    let idempotent = lossy.replace("enable.idempotence=false", "enable.idempotence=true");
    let words =
        ["explore", "-", "--promise", "no-duplicate", "--max-faults", "1", "--faults", "cut", "--json"];
    let answer: Value = serde_json::from_str(printed(&fed(&idempotent, &words))).expect("JSON");
    assert_eq!((&answer["answer"], &answer["script"]), (&"none-within-bound".into(), &Value::Null));
    assert!(answer["reached"][0]["runs"].as_u64() > Some(0), "a batch was sent again: {answer}");
    let told = fed(&idempotent, &words[..words.len() - 1]);
    assert!(printed(&told).contains("That is no proof of more."), "{}", printed(&told));
}

#[test]
fn shrink_leaves_what_breaks_the_promise() {
    let text = "kafka-guarantees 1\ntopic t replicas=B1,B2,B3\nproducer P acks=all enable.idempotence=false\n\
                program P produce 20 every 20ms\nat 100ms B3 kill for 1s\nfault P Produce 7 response cut\n";
    let output = fed(text, &["shrink", "-", "--json"]);
    let answer: Value = serde_json::from_str(printed(&output)).expect("JSON");
    assert_eq!((&answer["promise"], &answer["faults"]), (&"no-duplicate".into(), &1.into()));
    let script = answer["script"].as_str().expect("a text");
    assert!(!script.contains("B3 kill") && !script.contains("produce 20"), "{script}");
    assert!(refusal(&fed(script, &["shrink", "-", "--promise", "order"])).contains("does not break"));
}

#[test]
fn explore_says_what_it_does_not_understand() {
    let rows: [(&[&str], &str); 5] = [
        (&["explore", "at-least-once"], "--promise: expected one of no-acknowledged-loss"),
        (&["explore", "at-least-once", "--promise", "safety"], "no promise 'safety'"),
        (
            &["explore", "at-least-once", "--promise", "order", "--faults", "flood"],
            "no kind of fault 'flood'",
        ),
        (&["explore", "at-least-once", "--promise", "order", "--max-faults", "99"], "from 0 to 6"),
        (&["explore", "at-least-once", "--order"], "no option '--order'"),
    ];
    for (words, expected) in rows {
        let output = call(words);
        assert!(refusal(&output).contains(expected), "{words:?}: {}", error(&output));
    }
}
