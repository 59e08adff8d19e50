//! `explore`: the fewest faults that break a promise; `shrink`: less of a scenario that still breaks one.

use super::{BadInput, USAGE, read};
use crate::engine::explore::FAULTS_MAX;
use crate::engine::explore::moves::Kind;
use crate::engine::explore::promise::Promise;
use crate::engine::notice::Sign;
use crate::scenario::explored::{self, Answer, Exploration, Progress, Question, RECORDS_MAX, SEEDS_MAX};
use serde::Serialize;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

/// How many states lie between two looks at the clock.
const PIECE: u64 = 10_000;

/// The answer in JSON: the keys are public interface.
#[derive(Serialize)]
struct Told<'a> {
    answer: &'a str,
    promise: &'a str,
    /// Found: the least number. Otherwise: all with up to so many were looked at (`limit-reached`: with fewer).
    faults: u32,
    records: u32,
    /// The scenario text that breaks the promise.
    script: Option<String>,
    states: u64,
    runs: u64,
    milliseconds: u64,
    /// The opposite numbers of the promise: in how many runs each was seen.
    reached: Vec<Reached>,
}

#[derive(Serialize)]
struct Reached {
    what: &'static str,
    runs: u64,
}

pub fn explore(words: &[&str], out: &mut impl Write) -> io::Result<Result<ExitCode, BadInput>> {
    let options = match Options::read(words) {
        Ok(options) => options,
        Err(message) => return Ok(Err(BadInput(message))),
    };
    let scenario = match scenario_of(&options.source) {
        Ok(scenario) => scenario,
        Err(bad) => return Ok(Err(bad)),
    };
    let question = Question { scenario: scenario.clone(), ..options.question };
    let mut exploration = match Exploration::new(&question) {
        Ok(exploration) => exploration,
        Err(why) => return Ok(Err(BadInput(format!("{}: {why}", options.source)))),
    };
    let start = Instant::now();
    let answer = loop {
        if let Some(answer) = exploration.advance(PIECE) {
            break answer;
        }
    };
    let milliseconds = start.elapsed().as_millis() as u64;
    let progress = exploration.progress();
    if options.json {
        let told = tell(&answer, &progress, question.promise, milliseconds);
        serde_json::to_writer_pretty(&mut *out, &told).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        say(&answer, &progress, &question, milliseconds, out)?;
    }
    Ok(Ok(ExitCode::SUCCESS))
}

fn tell<'a>(answer: &'a Answer, progress: &Progress, promise: Promise, milliseconds: u64) -> Told<'a> {
    let (faults, records, script) = match answer {
        Answer::Found { faults, records, scenario, .. } => (*faults, *records, Some(scenario.to_text())),
        Answer::NoneWithin { faults, records } | Answer::LimitReached { faults, records } => {
            (*faults, *records, None)
        }
    };
    let looked = progress.looked;
    let reached = |sign: &Sign| Reached { what: sign.says(), runs: looked.sign(*sign) };
    Told {
        answer: answer.name(),
        promise: promise.name(),
        faults,
        records,
        script,
        states: looked.states,
        runs: looked.runs,
        milliseconds,
        reached: promise.opposite().iter().map(reached).collect(),
    }
}

fn say(
    answer: &Answer,
    progress: &Progress,
    question: &Question,
    milliseconds: u64,
    out: &mut impl Write,
) -> io::Result<()> {
    let kinds: Vec<&str> = question.kinds.iter().map(Kind::name).collect();
    let says = question.promise.says();
    match answer {
        Answer::Found { faults, records, scenario, lines } => {
            writeln!(
                out,
                "'{says}' is broken by {}, over {}:",
                count(*faults, "fault"),
                count(*records, "record")
            )?;
            for line in lines {
                writeln!(out, "  {line}")?;
            }
            writeln!(out, "\n{}", scenario.to_text())?;
        }
        Answer::NoneWithin { faults, records } => {
            writeln!(
                out,
                "Up to {} of these kinds ({}) and {}: nothing found that breaks '{says}'. That is no proof of more.",
                count(*faults, "fault"),
                kinds.join(", "),
                count(*records, "record"),
            )?;
        }
        Answer::LimitReached { faults, records } => {
            writeln!(
                out,
                "The limit was reached while runs with {} and {} were looked at; nothing breaks '{says}' so far.",
                count(*faults, "fault"),
                count(*records, "record"),
            )?;
        }
    }
    let looked = progress.looked;
    writeln!(out, "{} states, {} runs, {milliseconds} ms", looked.states, looked.runs)?;
    for sign in question.promise.opposite() {
        writeln!(out, "in {} runs {}", looked.sign(*sign), sign.says())?;
    }
    if looked.given_up > 0 {
        writeln!(out, "{} runs did not come to their end and are not judged", looked.given_up)?;
    }
    Ok(())
}

fn count(number: u32, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The scenario of a preset, a file, a link or standard input, without problems.
pub(super) fn scenario_of(source: &str) -> Result<crate::scenario::Scenario, BadInput> {
    let (_, text) = read(source)?;
    let reading = crate::scenario::read(&text);
    if !reading.problems.is_empty() {
        return Err(BadInput(super::describe(source, &reading.problems)));
    }
    Ok(reading.scenario)
}

/// The answer of `shrink` in JSON: the keys are public interface.
#[derive(Serialize)]
struct ToldShrunk<'a> {
    promise: &'a str,
    faults: u32,
    faults_before: u32,
    script: String,
    runs: u32,
}

pub fn shrink(words: &[&str], out: &mut impl Write) -> io::Result<Result<ExitCode, BadInput>> {
    let (mut source, mut promise, mut json) = (None, None, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--json" => json = true,
            "--promise" => match promise_of(words.next().copied().unwrap_or_default()) {
                Ok(named) => promise = Some(named),
                Err(message) => return Ok(Err(BadInput(message))),
            },
            option if option.starts_with("--") => {
                return Ok(Err(BadInput(format!("no option '{option}': --promise and --json are known"))));
            }
            name if source.is_none() => source = Some(name),
            more => return Ok(Err(BadInput(format!("one scenario at a time, found '{more}' as well")))),
        }
    }
    let Some(source) = source else { return Ok(Err(BadInput(USAGE.to_string()))) };
    let scenario = match scenario_of(source) {
        Ok(scenario) => scenario,
        Err(bad) => return Ok(Err(bad)),
    };
    let shrunk = match crate::scenario::shrink::shrink(&scenario, promise) {
        Ok(shrunk) => shrunk,
        Err(why) => return Ok(Err(BadInput(format!("{source}: {why}")))),
    };
    let (faults, faults_before, runs) = (shrunk.faults, shrunk.faults_before, shrunk.runs);
    let script = shrunk.scenario.to_text();
    if json {
        let told = ToldShrunk { promise: shrunk.promise.name(), faults, faults_before, script, runs };
        serde_json::to_writer_pretty(&mut *out, &told).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        let (says, enough) = (shrunk.promise.says(), count(faults, "fault"));
        writeln!(out, "# '{says}' is broken; of {faults_before}, {enough} will do ({runs} runs)")?;
        write!(out, "{script}")?;
    }
    Ok(Ok(ExitCode::SUCCESS))
}

/// All that the words said.
struct Options {
    source: String,
    question: Question,
    json: bool,
}

impl Options {
    fn read(words: &[&str]) -> Result<Options, String> {
        let (mut source, mut promise, mut json) = (None, None, false);
        let mut question = Question::new(&crate::scenario::Scenario::default(), Promise::NoAcknowledgedLoss);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value =
                |what: &str| words.next().copied().ok_or_else(|| format!("{word}: expected {what} after it"));
            match *word {
                "--json" => json = true,
                "--promise" => promise = Some(promise_of(value("a promise")?)?),
                "--max-faults" => {
                    question.faults =
                        number(word, value("a number of faults")?, 0, FAULTS_MAX.into())? as u32;
                }
                "--records" => {
                    question.records =
                        number(word, value("a number of records")?, 1, RECORDS_MAX.into())? as u32;
                }
                "--faults" => question.kinds = explored::kinds(value("kinds of faults")?)?,
                "--seeds" => {
                    question.seeds = number(word, value("a number of draws")?, 1, SEEDS_MAX.into())? as u32;
                }
                "--states" => question.states = number(word, value("a number of states")?, 1, u64::MAX)?,
                "--unreduced" => question.reduced = false,
                option if option.starts_with("--") => {
                    return Err(format!(
                        "no option '{option}': --promise, --max-faults, --records, --faults, --seeds, --states, \
                         --unreduced and --json are known"
                    ));
                }
                name if source.is_none() => source = Some(name.to_owned()),
                more => return Err(format!("one scenario at a time, found '{more}' as well")),
            }
        }
        let source = source.ok_or_else(|| USAGE.to_owned())?;
        question.promise = promise.ok_or_else(|| format!("--promise: expected one of {}", promises()))?;
        Ok(Options { source, question, json })
    }
}

fn promises() -> String {
    Promise::ALL.map(Promise::name).join(", ")
}

pub(super) fn promise_of(name: &str) -> Result<Promise, String> {
    Promise::by_name(name).ok_or_else(|| format!("no promise '{name}': {} are known", promises()))
}

fn number(option: &str, text: &str, least: u64, most: u64) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{option}: expected a whole number from {least} to {most}, found '{text}'")),
    }
}
