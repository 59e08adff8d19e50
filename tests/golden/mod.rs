//! The hash of each preset's trace, and of the sums of measured runs, one number for every machine: the native tests and
//! the tests in the browser hold the engine to the same list.

use kafka_guarantees::engine::measure::mix::FaultMix;
use kafka_guarantees::engine::run;
use kafka_guarantees::engine::sim::time::Span;
use kafka_guarantees::scenario::campaign::Campaign;
use kafka_guarantees::scenario::measured::Workload;
use kafka_guarantees::scenario::{parse, presets};
use kafka_guarantees::worker::SLICE_MICROS;
use kafka_guarantees::worker::bench::Bench;
use kafka_guarantees::worker::pool::Pool;
use kafka_guarantees::worker::protocol::{FromWorker, ToWorker};
use std::fmt::Write;
use std::sync::Arc;

/// The presets and the hashes of their traces.
const TRACE_HASHES: &str = include_str!("trace-hashes.txt");

/// The parts of the matrix and the hashes of their sums.
const SUMS_HASHES: &str = include_str!("sums-hashes.txt");

/// Runs every preset and compares. When the engine is meant to behave differently, what the failure prints is the
/// new content of `trace-hashes.txt`.
pub fn traces_are_the_same_everywhere() {
    let mut hashes = String::new();
    for preset in presets::all() {
        let setup = Arc::new(parse(preset.text).expect("a preset can be read"));
        let run = run::run(&setup);
        assert_eq!(run.error, None, "{}", preset.id);
        let hash = format!("{:016x}", run.trace_hash());
        // A failure that never strikes would leave its guarantee's trace as it was.
        assert!(!hashes.contains(&hash), "{} runs as another preset does", preset.id);
        writeln!(hashes, "{hash} {}", preset.id).expect("a string takes everything");
    }
    assert!(
        hashes == TRACE_HASHES,
        "the traces are others, tests/golden/trace-hashes.txt would be:\n{hashes}"
    );
}

/// A small matrix that is to be measured, with the page's slices.
pub fn small_matrix(workers: usize) -> Pool {
    let workload = Workload { records: 20, every: Span::millis(10), saturating_records: 60 };
    let mix = FaultMix::accelerated(2_000_000, workload.window());
    let campaign = Campaign::matrix(None, workload, mix, 4711, 40).expect("the matrix");
    Pool::new(campaign, workers, SLICE_MICROS)
}

/// Compares the sums of the small matrix. When the engine is meant to behave differently, what the failure prints is the
/// new content of `sums-hashes.txt`.
pub fn assert_sums(pool: &Pool, who: &str) {
    let mut hashes = String::new();
    for task in pool.campaign().tasks() {
        let (name, _) = &pool.campaign().columns[task.column];
        let hash = pool.sums(task).hash();
        writeln!(hashes, "{hash:016x} {name} {}", task.part.name()).expect("a string takes everything");
    }
    assert!(
        hashes == SUMS_HASHES,
        "{who}: the sums are others, tests/golden/sums-hashes.txt would be:\n{hashes}"
    );
}

/// Measures the small matrix through page and workers of so many kinds, all in this thread, and compares the sums.
pub fn sums_are_the_same_everywhere() {
    for workers in [1, 2, 5] {
        let mut pool = small_matrix(workers);
        let mut benches: Vec<Bench> = (0..workers).map(|_| Bench::default()).collect();
        while !pool.progress().is_complete() {
            for (worker, bench) in benches.iter_mut().enumerate() {
                for message in pool.next(worker) {
                    let message = ToWorker::from_words(&message.to_words()).expect("what was written");
                    // A clock that stands: the more workers, the more ways to divide the work.
                    let Some(answer) = bench.answer(message, &mut || 0) else { continue };
                    let answer = FromWorker::from_words(&answer.to_words()).expect("what was written");
                    pool.take(worker, answer).expect("nothing is refused");
                }
            }
        }
        assert_sums(&pool, &format!("{workers} workers"));
    }
}
