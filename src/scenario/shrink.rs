//! Less of a scenario that still breaks the same promise: what was not needed is left out.

use super::explored::{Broken, broken, is_fault, undoes};
use super::{ApplicationDeclaration, Program, Scenario};
use crate::engine::explore::promise::Promise;

/// How many runs a shrinking may take.
pub const RUNS_MAX: u32 = 2_000;

/// Leaves out items, as many at once as can go, while a test still passes.
///
/// The first `keep` items stay. Halves are tried first, then quarters, and so on down to single items, until none can go
/// or the test was made `runs` times. Returns what is left with the last success of the test; none, if the test does not
/// pass to begin with.
pub fn leave_out<T: Clone, R>(
    mut items: Vec<T>,
    keep: usize,
    runs: u32,
    mut test: impl FnMut(&[T]) -> Option<R>,
) -> Option<(Vec<T>, R)> {
    let mut passed = test(&items)?;
    let mut tried = 0;
    let mut size = (items.len().saturating_sub(keep) / 2).max(1);
    loop {
        let mut is_shorter = false;
        let mut from = keep;
        while from < items.len() && tried < runs {
            let mut candidate = items.clone();
            candidate.drain(from..(from + size).min(items.len()));
            tried += 1;
            match test(&candidate) {
                Some(result) => {
                    (items, passed) = (candidate, result);
                    is_shorter = true;
                }
                None => from += size,
            }
        }
        // Of single items another round may do: what one needed may be gone.
        if tried >= runs || size == 1 && !is_shorter {
            return Some((items, passed));
        }
        size = (size / 2).max(1);
    }
}

/// A scenario with as little in it as was found to break the promise.
#[derive(Clone, Debug, PartialEq)]
pub struct Shrunk {
    /// What is left.
    pub scenario: Scenario,
    /// Which promise it breaks, as the whole did.
    pub promise: Promise,
    /// How many faults are left.
    pub faults: u32,
    /// How many there were.
    pub faults_before: u32,
    /// How many runs it took.
    pub runs: u32,
}

/// Shrinks a scenario that breaks a promise: the one that is asked for, or else the worst that it breaks.
///
/// # Errors
/// If it can't be run, or breaks none.
pub fn shrink(scenario: &Scenario, promise: Option<Promise>) -> Result<Shrunk, String> {
    let broken_now = broken(scenario)?;
    let promise = match promise {
        Some(promise) if broken_now.contains(promise) => promise,
        Some(promise) => return Err(format!("it does not break '{}'", promise.says())),
        None => broken_now.iter().next().ok_or("it breaks no promise: there is nothing to explain")?,
    };
    let mut shrinking = Shrinking { promise, runs: 0 };
    let faults_before = faults(scenario);
    let mut best = scenario.clone();
    best.look = None;
    best.row = None;
    loop {
        let before = best.clone();
        best = shrinking.without_steps(best);
        best = shrinking.without_applications(best);
        best = shrinking.with_fewer_records(best);
        if best == before || shrinking.runs >= RUNS_MAX {
            let (faults, runs) = (faults(&best), shrinking.runs);
            return Ok(Shrunk { scenario: best, promise, faults, faults_before, runs });
        }
    }
}

/// How many faults a scenario has; what undoes one is none.
fn faults(scenario: &Scenario) -> u32 {
    scenario.steps.iter().filter(|line| is_fault(&line.step) && !undoes(&line.step)).count() as u32
}

struct Shrinking {
    promise: Promise,
    runs: u32,
}

impl Shrinking {
    /// Whether a candidate breaks the promise still.
    fn still(&mut self, candidate: &Scenario) -> bool {
        self.runs += 1;
        broken(candidate).is_ok_and(|broken: Broken| broken.contains(self.promise))
    }

    fn without_steps(&mut self, scenario: Scenario) -> Scenario {
        let left = RUNS_MAX.saturating_sub(self.runs);
        let with = |steps: &[super::StepLine]| Scenario { steps: steps.to_vec(), ..scenario.clone() };
        let shorter =
            leave_out(scenario.steps.clone(), 0, left, |steps| self.still(&with(steps)).then_some(()));
        shorter.map_or_else(|| scenario.clone(), |(steps, ())| with(&steps))
    }

    fn without_applications(&mut self, scenario: Scenario) -> Scenario {
        let left = RUNS_MAX.saturating_sub(self.runs);
        let with = |applications: &[ApplicationDeclaration]| Scenario {
            applications: applications.to_vec(),
            ..scenario.clone()
        };
        let fewer = leave_out(scenario.applications.clone(), 0, left, |applications| {
            self.still(&with(applications)).then_some(())
        });
        fewer.map_or_else(|| scenario.clone(), |(applications, ())| with(&applications))
    }

    /// As few records of each producing program as will do: half as often as possible, then one less.
    fn with_fewer_records(&mut self, mut scenario: Scenario) -> Scenario {
        for place in 0..scenario.applications.len() {
            let mut less = |scenario: &Scenario, by: fn(u32) -> u32| {
                let mut candidate = scenario.clone();
                let Some(Program::Produce { count, .. }) = &mut candidate.applications[place].program else {
                    return None;
                };
                let fewer = by(*count);
                if fewer == 0 || fewer == *count || self.runs >= RUNS_MAX {
                    return None;
                }
                *count = fewer;
                self.still(&candidate).then_some(candidate)
            };
            for by in [|count: u32| count / 2, |count: u32| count - count.min(1)] {
                while let Some(fewer) = less(&scenario, by) {
                    scenario = fewer;
                }
            }
        }
        scenario
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::read;

    #[test]
    fn what_a_test_needs_is_left() {
        let items: Vec<u32> = (0..100).collect();
        let needs = |items: &[u32]| (items.contains(&17) && items.contains(&63)).then_some(items.len());
        let (left, length) = leave_out(items.clone(), 1, 10_000, needs).expect("it passes");
        assert_eq!((left, length), (vec![0, 17, 63], 3));
        assert_eq!(leave_out(items, 0, 10_000, |_| None::<()>), None);
        // A limit is kept to, and what was reached by then is given.
        let mut runs = 0;
        let (left, ()) = leave_out((0..64).collect(), 0, 5, |items: &[u32]| {
            runs += 1;
            items.contains(&0).then_some(())
        })
        .expect("it passes");
        assert!(runs <= 6 && left.contains(&0));
    }

    #[test]
    fn one_fault_of_many_was_enough() {
        let text = "kafka-guarantees 1\ntopic t replicas=B1,B2,B3 min.insync.replicas=2\n\
                    producer P acks=all enable.idempotence=false\nproducer Q acks=all\nprogram P produce 40 every 10ms\n\
                    program Q produce 40 every 10ms\nat 40ms B3 kill for 2s\nat 90ms link B2->B1 hold for 1s\n\
                    fault P Produce 9 response cut\nat 700ms P pause for 1s\n";
        let shrunk = shrink(&read(text).scenario, None).expect("it breaks a promise");
        let (faults, before) = (shrunk.faults, shrunk.faults_before);
        assert_eq!(
            (shrunk.promise, faults, before),
            (Promise::NoDuplicate, 1, 4),
            "{}",
            shrunk.scenario.to_text()
        );
        assert_eq!(shrunk.scenario.applications.len(), 1);
        assert!(broken(&shrunk.scenario).expect("it runs").contains(Promise::NoDuplicate));
        let calm = "kafka-guarantees 1\ntopic t replicas=B1\nproducer P\nP send r0\n";
        assert!(shrink(&read(calm).scenario, None).expect_err("nothing is broken").contains("no promise"));
        let order = shrink(&shrunk.scenario, Some(Promise::WholeTransactions));
        assert!(order.expect_err("another is").contains("a transaction is whole"));
    }
}
