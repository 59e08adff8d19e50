//! How much slower the engine is in WebAssembly: the matrix's runs of 100 records, by the page's own worker in Node and
//! natively, in turns, so that both meet the same other work on the machine. Beside each the no-op run: the same
//! setup with one record.
//!
//! `trunk build --release`, then `cargo bench --bench wasm [FOLDER]`; the folder is `dist`.

use kafka_guarantees::engine::measure::mix::USUAL_ACCELERATION;
use kafka_guarantees::engine::measure::{FaultMix, Part};
use kafka_guarantees::scenario::measured::{Column, Workload};
use kafka_guarantees::scenario::presets::Guarantee;
use kafka_guarantees::worker::bench::Bench;
use kafka_guarantees::worker::protocol::{FromWorker, PlanForm, ToWorker};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

const ROUNDS: usize = 9;
/// Runs of a round; the first rounds warm up the compilers of the JavaScript engine.
const RUNS: u64 = 100;
const ROUNDS_UNCOUNTED: usize = 3;

/// The worker in Node.
struct Node {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Node {
    fn start(folder: &str) -> Result<Node, Box<dyn Error>> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/wasm.mjs");
        let mut process = Command::new("node")
            .args([script, folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("node can't be started: {error}"))?;
        let to = process.stdin.take().ok_or("no standard input")?;
        let from = BufReader::new(process.stdout.take().ok_or("no standard output")?);
        let mut node = Node { process, to, from };
        match node.line()?.as_str() {
            "ready" => Ok(node),
            other => Err(format!("the worker in Node said '{other}'").into()),
        }
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err(
                "the worker in Node has ended: is there a page built with `trunk build --release`?".into()
            );
        }
        Ok(line.trim_end().to_owned())
    }

    fn tell(&mut self, message: ToWorker) -> Result<(), Box<dyn Error>> {
        let words: Vec<String> = message.to_words().iter().map(u64::to_string).collect();
        writeln!(self.to, "{}", words.join(" "))?;
        Ok(())
    }

    fn answer(&mut self) -> Result<FromWorker, Box<dyn Error>> {
        let line = self.line()?;
        let words = line.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        FromWorker::from_words(&words).ok_or_else(|| format!("the worker in Node said '{line}'").into())
    }
}

fn micros_a_run(answer: FromWorker) -> Result<(f64, u64), Box<dyn Error>> {
    match answer {
        FromWorker::Done { micros, count, sums, .. } => Ok((micros as f64 / count as f64, sums.hash())),
        FromWorker::Refused { message } => Err(message.into()),
        other => Err(format!("not what was asked for: {other:?}").into()),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let mut node = Node::start(folder.as_deref().unwrap_or("dist"))?;
    let mut native = Bench::default();
    let begun = Instant::now();
    let mut clock = || begun.elapsed().as_micros() as u64;
    let mix = FaultMix::accelerated(USUAL_ACCELERATION, Workload::MATRIX.window());
    let single = Workload { records: 1, ..Workload::MATRIX };
    println!("{:<28} {:>10} {:>10} {:>6}", "microseconds a run", "native", "wasm", "ratio");
    let mut plan = 0;
    for guarantee in Guarantee::ALL {
        let scenario = guarantee.base().scenario();
        for (name, workload, mix, part) in [
            ("no-op", single, FaultMix::none(), Part::Calm),
            ("calm", Workload::MATRIX, FaultMix::none(), Part::Calm),
            ("faults", Workload::MATRIX, mix, Part::Faults),
        ] {
            let column =
                Column::new(&scenario, workload, mix, 1).map_err(|_| "a column that can't be measured")?;
            let form = PlanForm::new(column.scenario(part), column.mix, column.seed);
            let prepare = ToWorker::Prepare { plan, form };
            node.tell(prepare.clone())?;
            native.answer(prepare, &mut clock);
            let (mut natively, mut in_wasm, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..ROUNDS + ROUNDS_UNCOUNTED {
                let run = ToWorker::Run { plan, first: round as u64 * RUNS, count: RUNS };
                node.tell(run.clone())?;
                let wasm = micros_a_run(node.answer()?)?;
                let own = micros_a_run(native.answer(run, &mut clock).ok_or("no answer")?)?;
                if wasm.1 != own.1 {
                    return Err(format!(
                        "{name}, runs from {}: other sums in WebAssembly",
                        round as u64 * RUNS
                    )
                    .into());
                }
                if round >= ROUNDS_UNCOUNTED {
                    natively.push(own.0);
                    in_wasm.push(wasm.0);
                    ratios.push(wasm.0 / own.0);
                }
            }
            let what = format!("{} {name}", guarantee.base().id);
            println!(
                "{what:<28} {:>10.1} {:>10.1} {:>6.2}",
                median(natively),
                median(in_wasm),
                median(ratios)
            );
            plan += 1;
        }
    }
    println!("The goal is 1.4 times native at most.");
    let Node { mut process, to, .. } = node;
    // It ends with its standard input.
    drop(to);
    process.wait()?;
    Ok(())
}
