//! The command-line runner: `run`, `export`, `measure`, `explore`, `shrink`, `presets` and `fidelity`.
//!
//! Bad input ends with exit status 2 and one message that names the place. A closed pipe is no error.

use crate::engine::observe::Observations;
use crate::engine::run::{self, Run};
use crate::engine::script::Setup;
use crate::fidelity;
use crate::scenario::{self, Problem};
use crate::view::narration;
use crate::view::scene::Options;
use crate::view::story::{Index, Story};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

mod explore;
mod export;
mod measure;

/// How to call it.
const USAGE: &str = "\
usage: kafka-guarantees run FILE|PRESET|LINK|- [--json] [--trace]
       kafka-guarantees export FILE|PRESET|LINK|- [--as FORMAT] [--at INSTANT]
       kafka-guarantees measure SCENARIO|--matrix [--runs N] [--seed S] [--json] [--shard I/N] ...
       kafka-guarantees measure merge FILE... [--json]
       kafka-guarantees explore SCENARIO --promise NAME [--max-faults K] [--records N] [--faults KINDS] [--json] ...
       kafka-guarantees shrink SCENARIO [--promise NAME] [--json]
       kafka-guarantees presets
       kafka-guarantees fidelity [FOLDER] [--json]

run       runs a scenario: a text in a file, a preset by its name, a link of the page, or - for standard input
  --json    prints the observations as JSON, with the keys of the recordings of a real Kafka
  --trace   prints every fact of the trace, one a line
export    prints a run for elsewhere: svg (unless told), svg-dark, mermaid, narration (Markdown), trace (JSON),
          chrome-trace (opens in Perfetto) or text
  --at INSTANT         where the playhead of the picture is; else where the scenario looks, or at the end
measure   measures a scenario by many runs under a mix of faults, on all cores (docs/measuring.md)
  --matrix  the three guarantees, and the scenario as a fourth column if there is one
  --runs N, --seed S   how many runs under faults (10000), from which seed (0)
  --json    prints the numbers as JSON
  --shard I/N          measures one of N parts and prints its sums; measure merge joins all parts
  --acceleration N     faults come N times as often as in life (250000); 0: never
  --fault KIND=CHANCE[/DURATION]   the chance of a kind per million, and how long it lasts
  --records N, --every TIME        the workload (100 records, one every 10ms)
  --saturating-records N           the records where speed is measured (4000)
  --threads N          not all cores
  --explain [PART:]RUN prints the scenario that plays a run
explore   searches for the fewest faults that break a promise (docs/fewest-faults.md)
  --promise NAME       no-acknowledged-loss, no-duplicate, order, no-skip, no-reprocessing, one-effect or whole-transactions
  --max-faults K, --records N      at most so many faults in a run (2), over so many records (3)
  --faults KINDS       separated by commas: cut and held-link (network: both), process-kill, client-crash (these are
                       usual), power-loss, pause, leader-move, restart
  --seeds N            so many draws of latencies (2)
  --states N           stops after so many states (2000000)
  --unreduced          leaves nothing out: slower, for comparison
  --json    prints the answer for programs
shrink    leaves out of a scenario what it does not need to break a promise: the worst that it breaks, or the one named
presets   lists the presets
fidelity  runs every recording of a real Kafka and every known outcome again, and says what agrees; the data are in FOLDER,
          or else in tests/it/data below the current directory. Exit status 1 if something disagrees
  --json    prints it for programs";

/// Where `fidelity` looks unless it is told a folder.
const FIDELITY_DATA: &str = "tests/it/data";

/// Bad input: what is printed, one message.
struct BadInput(String);

/// Runs the command line; `arguments` without the program's own name.
pub fn run(arguments: &[String]) -> ExitCode {
    match command(arguments, &mut io::stdout().lock()) {
        Ok(Ok(code)) => code,
        Ok(Err(BadInput(message))) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kafka-guarantees: {error}");
            ExitCode::FAILURE
        }
    }
}

fn command(arguments: &[String], out: &mut impl Write) -> io::Result<Result<ExitCode, BadInput>> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run", rest @ ..] => run_scenario(rest, out),
        ["export", rest @ ..] => export::export(rest, out),
        ["measure", rest @ ..] => measure::measure(rest, out),
        ["explore", rest @ ..] => explore::explore(rest, out),
        ["shrink", rest @ ..] => explore::shrink(rest, out),
        ["presets"] => {
            for preset in scenario::presets::all() {
                writeln!(out, "{:<36} {}", preset.id, preset.title)?;
            }
            Ok(Ok(ExitCode::SUCCESS))
        }
        ["fidelity", rest @ ..] => check_fidelity(rest, out),
        ["help" | "--help" | "-h"] => {
            writeln!(out, "{USAGE}")?;
            Ok(Ok(ExitCode::SUCCESS))
        }
        [] => Ok(Err(BadInput(USAGE.to_string()))),
        [other, ..] => Ok(Err(BadInput(format!("no command '{other}'\n{USAGE}")))),
    }
}

fn run_scenario(words: &[&str], out: &mut impl Write) -> io::Result<Result<ExitCode, BadInput>> {
    let (mut json, mut trace, mut source) = (false, false, None);
    for word in words {
        match *word {
            "--json" => json = true,
            "--trace" => trace = true,
            option if option.starts_with("--") => {
                return Ok(Err(BadInput(format!("no option '{option}': --json and --trace are known"))));
            }
            name if source.is_none() => source = Some(name),
            more => return Ok(Err(BadInput(format!("one scenario at a time, found '{more}' as well")))),
        }
    }
    let Some(source) = source else { return Ok(Err(BadInput(USAGE.to_string()))) };
    let (id, text) = match read(source) {
        Ok(read) => read,
        Err(bad) => return Ok(Err(bad)),
    };
    let setup = match scenario::parse(&text) {
        Ok(setup) => Arc::new(setup),
        Err(problems) => return Ok(Err(BadInput(describe(source, &problems)))),
    };
    let run = run::run(&setup);
    if trace {
        for entry in run.world.stage.trace.entries() {
            let cause = entry.cause.map_or(String::new(), |cause| format!(" because of {}", cause.0));
            writeln!(out, "{} {} {:?}{cause}: {:?}", entry.id.0, entry.at, entry.actor, entry.event)?;
        }
    }
    if json {
        let answer =
            Answer { id: &id, kafka: "4.1.1", scenario_sha256: hash(&text), observed: run.observations() };
        serde_json::to_writer_pretty(&mut *out, &answer).map_err(io::Error::from)?;
        writeln!(out)?;
    } else if !trace {
        tell(&setup, &run, out)?;
    }
    Ok(match &run.error {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => Err(BadInput(format!("{source}: {}", error.describe(&setup)))),
    })
}

fn check_fidelity(words: &[&str], out: &mut impl Write) -> io::Result<Result<ExitCode, BadInput>> {
    let (mut json, mut folder) = (false, None);
    for word in words {
        match *word {
            "--json" => json = true,
            option if option.starts_with("--") => {
                return Ok(Err(BadInput(format!("no option '{option}': --json is known"))));
            }
            name if folder.is_none() => folder = Some(name),
            more => return Ok(Err(BadInput(format!("one folder at a time, found '{more}' as well")))),
        }
    }
    let path = Path::new(folder.unwrap_or(FIDELITY_DATA));
    if !path.join("real-kafka").is_dir() {
        return Ok(Err(BadInput(format!(
            "{}: expected a folder with 'real-kafka' and 'rows' in it; the project's own is {FIDELITY_DATA}, below the \
             folder with its Cargo.toml",
            path.display()
        ))));
    }
    let fidelity = match fidelity::check(path) {
        Ok(fidelity) => fidelity,
        Err(bad) => return Ok(Err(BadInput(bad.to_string()))),
    };
    if json {
        let answer = FidelityAnswer { totals: fidelity::totals(&fidelity), fidelity: &fidelity };
        serde_json::to_writer_pretty(&mut *out, &answer).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", fidelity::terminal(&fidelity))?;
    }
    Ok(Ok(if fidelity.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
}

/// The table and its totals.
#[derive(Serialize)]
struct FidelityAnswer<'a> {
    totals: fidelity::Totals,
    #[serde(flatten)]
    fidelity: &'a fidelity::Fidelity,
}

/// The observations of a run, as the recordings hold them.
#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    /// Whose behaviour is modelled.
    kafka: &'a str,
    scenario_sha256: String,
    observed: Observations,
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The scenario's name and text.
fn read(source: &str) -> Result<(String, String), BadInput> {
    if source == "-" {
        let mut text = String::new();
        io::stdin()
            .take(scenario::limits::TEXT as u64 + 1)
            .read_to_string(&mut text)
            .map_err(|error| BadInput(format!("standard input: {error}")))?;
        return Ok(("standard input".to_string(), text));
    }
    if let Some(preset) = scenario::presets::by_id(source) {
        return Ok((preset.id.to_string(), preset.text.to_string()));
    }
    if let Some((_, address)) = source.split_once('#') {
        let link = scenario::link::open(address);
        for warning in &link.warnings {
            eprintln!("{warning}");
        }
        return Ok(("link".to_string(), link.scenario.to_text()));
    }
    let mut text = String::new();
    std::fs::File::open(source)
        .and_then(|file| file.take(scenario::limits::TEXT as u64 + 1).read_to_string(&mut text))
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => BadInput(format!(
                "{source}: neither a file nor a preset (`kafka-guarantees presets` lists them)"
            )),
            _ => BadInput(format!("{source}: {error}")),
        })?;
    let name = std::path::Path::new(source).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, text))
}

fn describe(source: &str, problems: &[Problem]) -> String {
    let Some(first) = problems.first() else { return format!("{source}: cannot be read") };
    let more = match problems.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    format!("{source}: {first}{more}")
}

/// The story as sentences, and what came of it.
fn tell(setup: &Setup, run: &Run, out: &mut impl Write) -> io::Result<()> {
    let entries = run.world.stage.trace.entries();
    let arenas = &run.world.stage.arenas;
    let index = Index::new(setup, entries, arenas);
    let story = Story { setup, entries, arenas, index: &index };
    for line in narration::lines(story, &Options::default()) {
        writeln!(out, "{:>12}  {}", line.at.to_string(), line.text)?;
    }
    let observed = run.observations();
    writeln!(out)?;
    for (record, answer) in &observed.producer_saw.0 {
        writeln!(out, "{record}: {answer}")?;
    }
    writeln!(out, "the log, read uncommitted: {}", observed.log_read_uncommitted.join(" "))?;
    if observed.log_read_committed != observed.log_read_uncommitted {
        writeln!(out, "the log, read committed: {}", observed.log_read_committed.join(" "))?;
    }
    let verdict = &observed.verdict;
    writeln!(
        out,
        "{} acknowledged and lost, {} reported failed and yet in the log, {} duplicates, {} pairs out of order",
        verdict.acknowledged_lost, verdict.failed_yet_in_log, verdict.duplicates, verdict.reordered_pairs
    )?;
    if let [(_, skipped), (_, again)] = observed.consumer_verdict.0.as_slice() {
        writeln!(out, "{skipped} never processed, {again} processed again")?;
    }
    Ok(())
}
