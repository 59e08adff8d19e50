//! `measure`: many runs, on all cores, and what they come to.

use super::{BadInput, read};
use crate::engine::measure::mix::USUAL_ACCELERATION;
use crate::engine::measure::{FaultKind, FaultMix, Metrics, Part, Runner};
use crate::scenario::campaign::{Campaign, RUNS_MAX, Task};
use crate::scenario::measured::{Column, Workload};
use crate::scenario::{self, Scenario};
use rayon::prelude::*;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

mod files;
mod options;
mod table;

use options::{Options, What};

/// So many runs are given to a core at a time.
const CHUNK: u64 = 64;

pub(super) fn measure(words: &[&str], out: &mut impl Write) -> io::Result<Result<ExitCode, BadInput>> {
    if let ["merge", names @ ..] = words {
        return files::merge(names, out);
    }
    let options = match Options::read(words) {
        Ok(options) => options,
        Err(message) => return Ok(Err(BadInput(message))),
    };
    let campaign = match campaign(&options) {
        Ok(campaign) => campaign,
        Err(bad) => return Ok(Err(bad)),
    };
    if let Some((part, run)) = options.explain {
        return explain(&campaign, part, run, out);
    }
    let (share, shares) = options.shard.unwrap_or((0, 1));
    let sums = match options.threads {
        None => carry_out(&campaign, share, shares),
        Some(threads) => match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
            Ok(pool) => pool.install(|| carry_out(&campaign, share, shares)),
            Err(error) => return Ok(Err(BadInput(format!("{threads} threads: {error}")))),
        },
    };
    if options.shard.is_some() {
        files::write_shard(&campaign, &options, &sums, out)?;
    } else if options.json {
        table::json(&campaign, options.seed, &sums, out)?;
    } else {
        table::text(&campaign, &sums, out)?;
    }
    Ok(Ok(ExitCode::SUCCESS))
}

fn campaign(options: &Options) -> Result<Campaign, BadInput> {
    let of = |name: &str| -> Result<(String, Scenario), BadInput> {
        let (id, text) = read(name)?;
        let reading = scenario::read(&text);
        match reading.problems.as_slice() {
            [] => Ok((id, reading.scenario)),
            problems => Err(BadInput(super::describe(name, problems))),
        }
    };
    let Options { workload, seed, runs, .. } = *options;
    let mix = options.mix();
    match &options.what {
        What::Scenario(name) => {
            let (id, scenario) = of(name)?;
            Column::new(&scenario, workload, mix, seed)
                .map(|column| Campaign { columns: vec![(id, column)], runs })
                .map_err(|error| BadInput(format!("{name}: {error}")))
        }
        What::Matrix(None) => {
            Campaign::matrix(None, workload, mix, seed, runs).map_err(|error| BadInput(error.to_string()))
        }
        What::Matrix(Some(name)) => Campaign::matrix(Some(&of(name)?.1), workload, mix, seed, runs)
            .map_err(|error| BadInput(format!("{name}: {error}"))),
    }
}

/// The scenario that plays a run, as a text.
fn explain(
    campaign: &Campaign,
    part: Part,
    run: u64,
    out: &mut impl Write,
) -> io::Result<Result<ExitCode, BadInput>> {
    let Some((_, column)) = campaign.columns.last() else { return Ok(Ok(ExitCode::SUCCESS)) };
    match column.explain(part, run) {
        Ok(scenario) => out.write_all(scenario.to_text().as_bytes()).map(|()| Ok(ExitCode::SUCCESS)),
        Err(error) => Ok(Err(BadInput(format!("run {run}: {}", error.describe(&column.plan(part).setup))))),
    }
}

/// Carries out a share of a campaign on all cores. Chunks of runs go to whoever is free; their sums are merged.
pub(super) fn carry_out(campaign: &Campaign, share: u64, shares: u64) -> Vec<Metrics> {
    let total: u64 = campaign.tasks().map(|task| campaign.range(task, share, shares).count() as u64).sum();
    let progress = Progress::new(total);
    let sums =
        campaign.tasks().map(|task| carry_out_task(campaign, task, share, shares, &progress)).collect();
    progress.end();
    sums
}

fn carry_out_task(campaign: &Campaign, task: Task, share: u64, shares: u64, progress: &Progress) -> Metrics {
    let range = campaign.range(task, share, shares);
    let plan = campaign.columns[task.column].1.plan(task.part);
    let chunks = range.clone().count().div_ceil(CHUNK as usize) as u64;
    (0..chunks)
        .into_par_iter()
        .map_init(
            || Runner::new(&plan),
            |runner, chunk| {
                let mut metrics = Metrics::default();
                let first = range.start + chunk * CHUNK;
                let runs = first..(first + CHUNK).min(range.end);
                let count = runs.clone().count() as u64;
                runs.for_each(|run| runner.run(run, &mut metrics));
                progress.add(count);
                metrics
            },
        )
        .reduce(Metrics::default, |mut one, other| {
            one.merge(&other);
            one
        })
}

/// Tells a terminal how far the work is, a few times a second.
struct Progress {
    total: u64,
    done: AtomicU64,
    told: AtomicU64,
    begun: Instant,
    on: bool,
}

impl Progress {
    const BETWEEN: Duration = Duration::from_millis(200);

    fn new(total: u64) -> Progress {
        let on = io::stderr().is_terminal();
        Progress { total, done: AtomicU64::new(0), told: AtomicU64::new(0), begun: Instant::now(), on }
    }

    fn add(&self, runs: u64) {
        let done = self.done.fetch_add(runs, Ordering::Relaxed) + runs;
        if !self.on {
            return;
        }
        let elapsed = self.begun.elapsed();
        let tick = (elapsed.as_millis() / Progress::BETWEEN.as_millis()) as u64;
        if self.told.fetch_max(tick, Ordering::Relaxed) >= tick {
            return;
        }
        let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
        let left = (self.total.saturating_sub(done)) as f64 / rate.max(0.001);
        // A terminal that is gone is no reason to stop.
        let _ = write!(
            io::stderr(),
            "\r{done} of {} runs, {rate:.0} a second, {left:.0} s left \x1b[K",
            self.total
        );
    }

    fn end(&self) {
        if self.on {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
