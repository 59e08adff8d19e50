//! How many runs a second one core carries out: the matrix's workload of 100 records, for each guarantee, without
//! faults and under the usual mix. Beside each, in the same process, the no-op run: the same setup with one record,
//! which costs what beginning and ending a run cost, so that figures of different machines can be compared by their
//! ratio.
//!
//! `cargo bench --bench measure`

use kafka_guarantees::engine::measure::mix::USUAL_ACCELERATION;
use kafka_guarantees::engine::measure::{FaultMix, Metrics, Part, Runner};
use kafka_guarantees::scenario::measured::{Column, Workload};
use kafka_guarantees::scenario::presets::Guarantee;
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 5;

/// Microseconds a run, the median of some rounds; warm.
fn micros(column: &Column, part: Part, runs: u64) -> f64 {
    let mut runner = Runner::new(&column.plan(part));
    let mut rounds: Vec<f64> = (0..=ROUNDS)
        .map(|_| {
            let mut sums = Metrics::default();
            let begun = Instant::now();
            (0..runs).for_each(|run| runner.run(run, &mut sums));
            black_box(&sums);
            assert_eq!(sums.runs, runs, "every run comes to its end");
            begun.elapsed().as_secs_f64() * 1e6 / runs as f64
        })
        .skip(1)
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn main() {
    let mix = FaultMix::accelerated(USUAL_ACCELERATION, Workload::MATRIX.window());
    let single = Workload { records: 1, ..Workload::MATRIX };
    println!("{:<16} {:>12} {:>12} {:>12} {:>14}", "", "no-op us", "calm us", "faults us", "faults runs/s");
    for guarantee in Guarantee::ALL {
        let scenario = guarantee.base().scenario();
        let column = Column::new(&scenario, Workload::MATRIX, mix, 1).expect("a column");
        let idle = Column::new(&scenario, single, FaultMix::none(), 1).expect("a column");
        let none = micros(&idle, Part::Calm, 300);
        let calm = micros(&column, Part::Calm, 300);
        let faults = micros(&column, Part::Faults, 300);
        println!(
            "{:<16} {none:>12.1} {calm:>12.1} {faults:>12.1} {:>14.0}   ({:.1} no-op runs)",
            guarantee.base().id,
            1e6 / faults,
            faults / none
        );
    }
}
