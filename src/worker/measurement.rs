//! Measuring one scenario a few runs at a time, for programs that have one thread.

use crate::engine::measure::mix::USUAL_ACCELERATION;
use crate::engine::measure::report::METRICS;
use crate::engine::measure::{Estimate, FaultMix, Metric, Metrics, Milli, Runner};
use crate::engine::observe::Object;
use crate::scenario::Scenario;
use crate::scenario::campaign::{Campaign, Task};
use crate::scenario::measured::{Column, Workload};
use serde::Serialize;

/// The most runs under faults that a program may ask for here.
pub const RUNS_MAX: u64 = 1_000_000;

/// A measurement under way.
pub struct Measurement {
    campaign: Campaign,
    seed: u64,
    sums: Vec<Metrics>,
    /// The place of the task that is carried out, its runner, and its next run.
    task: usize,
    runner: Option<Runner>,
    next: u64,
    done: u64,
}

/// A number with its interval, as in docs/measuring.md.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Number {
    /// The estimate.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What a measurement came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// How many runs under faults.
    pub runs: u64,
    /// The seed, as text: JavaScript's numbers are too short for it.
    pub seed: String,
    /// The numbers by their names (docs/measuring.md); none where there is nothing to count.
    pub numbers: Object<Option<Number>>,
}

impl Measurement {
    /// Begins.
    ///
    /// # Errors
    /// If the scenario can't be measured, or so many runs can't be asked for.
    pub fn new(scenario: &Scenario, runs: u64, seed: u64) -> Result<Measurement, String> {
        if !(1..=RUNS_MAX).contains(&runs) {
            return Err(format!("runs: from 1 to {RUNS_MAX}."));
        }
        let workload = Workload::MATRIX;
        let mix = FaultMix::accelerated(USUAL_ACCELERATION, workload.window());
        let column = Column::new(scenario, workload, mix, seed).map_err(|error| error.to_string())?;
        let campaign = Campaign { columns: vec![("scenario".to_owned(), column)], runs };
        let sums = campaign.no_sums();
        Ok(Measurement { campaign, seed, sums, task: 0, runner: None, next: 0, done: 0 })
    }

    /// How many runs there are in all.
    pub fn total(&self) -> u64 {
        let runs = |task: Task| self.campaign.range(task, 0, 1);
        self.campaign.tasks().map(runs).map(|runs| runs.end - runs.start).sum()
    }

    /// How many are done.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Carries out at most so many runs; false: all are done.
    pub fn advance(&mut self, most: u64) -> bool {
        let mut left = most;
        while let Some(task) = self.campaign.tasks().nth(self.task) {
            let range = self.campaign.range(task, 0, 1);
            if self.runner.is_none() {
                self.next = range.start;
            }
            let plan = || Runner::new(&self.campaign.columns[task.column].1.plan(task.part));
            let runner = self.runner.get_or_insert_with(plan);
            while self.next < range.end {
                if left == 0 {
                    return true;
                }
                runner.run(self.next, &mut self.sums[self.task]);
                self.next += 1;
                self.done += 1;
                left -= 1;
            }
            self.runner = None;
            self.task += 1;
        }
        false
    }

    /// What it came to so far.
    pub fn numbers(&self) -> Measured {
        let number = |milli: Milli| milli.0 as f64 / 1000.0;
        let of = |metric: &Metric| {
            let place = self.campaign.place(Task { column: 0, part: metric.part });
            let Estimate { value, low, high } = metric.estimate(&self.sums[place])?;
            Some(Number { value: number(value), low: number(low), high: number(high) })
        };
        let numbers = METRICS.iter().map(|metric| (metric.name.to_owned(), of(metric))).collect();
        Measured { runs: self.campaign.runs, seed: self.seed.to_string(), numbers: Object(numbers) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::presets;

    #[test]
    fn slices_come_to_the_same_as_the_whole() {
        let scenario = presets::by_id("at-least-once").expect("a preset").scenario();
        let measured = |slice: u64| {
            let mut measurement = Measurement::new(&scenario, 6, 1).expect("it can be measured");
            let mut rounds = 0;
            while measurement.advance(slice) {
                rounds += 1;
                assert!(rounds < 100_000);
            }
            assert_eq!(measurement.done(), measurement.total());
            measurement.numbers()
        };
        let whole = measured(u64::MAX);
        assert!(whole.numbers.0.iter().any(|(_, number)| number.is_some_and(|number| number.value > 0.0)));
        assert_eq!(measured(4), whole);
    }

    #[test]
    fn too_many_runs_are_refused() {
        let scenario = presets::by_id("at-least-once").expect("a preset").scenario();
        assert!(Measurement::new(&scenario, 0, 1).is_err());
        assert!(Measurement::new(&scenario, RUNS_MAX + 1, 1).is_err());
    }
}
