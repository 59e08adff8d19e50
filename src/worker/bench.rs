//! The worker's side: carries out what is asked.

use super::protocol::{FromWorker, ToWorker};
use crate::engine::measure::{Metrics, Runner};

/// The most runs of one message: a worker must come back to its messages.
pub const RUNS_MAX: u64 = 100_000;

/// The most plans at a time.
const PLANS_MAX: usize = 64;

/// A worker's runners, one for each prepared plan.
#[derive(Default)]
pub struct Bench {
    generation: u32,
    runners: Vec<(u32, Runner)>,
}

impl Bench {
    /// Does what a message asks; the clock gives microseconds from any beginning.
    pub fn answer(&mut self, message: ToWorker, clock: &mut dyn FnMut() -> u64) -> Option<FromWorker> {
        match message {
            ToWorker::Prepare { generation, plan, form } => {
                if generation < self.generation {
                    return None;
                }
                if generation > self.generation {
                    self.runners.clear();
                    self.generation = generation;
                }
                if self.runners.len() >= PLANS_MAX {
                    let message = format!("there are {PLANS_MAX} plans at most");
                    return Some(FromWorker::Refused { generation, message });
                }
                match form.plan() {
                    Ok(measured) => self.runners.push((plan, Runner::new(&measured))),
                    Err(message) => return Some(FromWorker::Refused { generation, message }),
                }
                None
            }
            ToWorker::Run { generation, .. } if generation < self.generation => None,
            ToWorker::Run { generation, plan, first, count } => {
                let found = self.runners.iter_mut().find(|(known, _)| *known == plan);
                let Some((_, runner)) = found.filter(|_| generation == self.generation) else {
                    let message = format!("plan {plan} is not prepared");
                    return Some(FromWorker::Refused { generation, message });
                };
                let begun = clock();
                let count = count.min(RUNS_MAX);
                let mut sums = Box::<Metrics>::default();
                (first..first.saturating_add(count)).for_each(|run| runner.run(run, &mut sums));
                let micros = clock().saturating_sub(begun);
                Some(FromWorker::Done { generation, plan, first, count, micros, sums })
            }
        }
    }
}
