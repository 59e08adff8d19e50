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
    runners: Vec<(u32, Runner)>,
}

impl Bench {
    /// Does what a message asks; the clock gives microseconds from any beginning.
    pub fn answer(&mut self, message: ToWorker, clock: &mut dyn FnMut() -> u64) -> Option<FromWorker> {
        match message {
            ToWorker::Prepare { plan, form } => {
                if self.runners.len() >= PLANS_MAX {
                    return refused(format!("there are {PLANS_MAX} plans at most"));
                }
                match form.plan() {
                    Ok(measured) => self.runners.push((plan, Runner::new(&measured))),
                    Err(message) => return refused(message),
                }
                None
            }
            ToWorker::Forget { plan } => {
                self.runners.retain(|(known, _)| *known != plan);
                None
            }
            ToWorker::Run { plan, first, count } => {
                let Some((_, runner)) = self.runners.iter_mut().find(|(known, _)| *known == plan) else {
                    return refused(format!("plan {plan} is not prepared"));
                };
                let begun = clock();
                let count = count.min(RUNS_MAX);
                let mut sums = Box::<Metrics>::default();
                (first..first.saturating_add(count)).for_each(|run| runner.run(run, &mut sums));
                let micros = clock().saturating_sub(begun);
                Some(FromWorker::Done { plan, first, count, micros, sums })
            }
        }
    }
}

fn refused(message: String) -> Option<FromWorker> {
    Some(FromWorker::Refused { message })
}
