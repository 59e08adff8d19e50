//! The page's side: which worker does what, what has come back, and how far the whole is.

use super::bench::RUNS_MAX;
use super::protocol::{FromWorker, PlanForm, ToWorker};
use crate::engine::measure::{FaultMix, Metrics, Part};
use crate::scenario::campaign::{Campaign, Task};
use crate::scenario::measured::Column;

/// So many slices wait at a worker at most: one that it works at, one so that it does not wait for the next.
const OUTSTANDING: u32 = 2;

/// The first slice of a plan: nothing is known yet of how long its runs take.
const FIRST_SLICE: u64 = 1;

/// So many runs of each plan come before any more of another: with fewer no interval means anything.
const RUNS_FIRST: u64 = 8;

/// How far a pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Runs that are done.
    pub done: u64,
    /// All runs.
    pub total: u64,
}

impl Progress {
    /// Whether all is done.
    pub fn is_complete(self) -> bool {
        self.done >= self.total
    }

    /// How long the rest will take, if the runs so far took so long; none before the first.
    pub fn left(self, elapsed_micros: u64) -> Option<u64> {
        let rest = u128::from(self.total.saturating_sub(self.done));
        (self.done > 0).then(|| (u128::from(elapsed_micros) * rest / u128::from(self.done)) as u64)
    }
}

/// One plan: what was given away of it, and what came back.
#[derive(Clone, Debug)]
struct Share {
    plan: u32,
    task: Task,
    runs: u64,
    handed: u64,
    /// What a run takes, in microseconds, as the last slice says.
    micros: Option<u64>,
    sums: Metrics,
}

#[derive(Clone, Debug, Default)]
struct WorkerState {
    /// The plans that it has.
    prepared: Vec<u32>,
    outstanding: u32,
}

/// Shares a campaign out among workers.
#[derive(Clone, Debug)]
pub struct Pool {
    campaign: Campaign,
    slice_micros: u64,
    generation: u32,
    next_plan: u32,
    shares: Vec<Share>,
    workers: Vec<WorkerState>,
}

impl Pool {
    /// A pool of so many workers, with slices of about so many microseconds.
    pub fn new(campaign: Campaign, workers: usize, slice_micros: u64) -> Pool {
        let mut pool = Pool {
            campaign,
            slice_micros,
            generation: 0,
            next_plan: 0,
            shares: Vec::new(),
            workers: vec![WorkerState::default(); workers],
        };
        pool.begin(Vec::new(), 0);
        pool
    }

    /// Something else is to be measured. Columns that are the same keep their sums, and what is under way for them
    /// still counts; what is under way for others is dropped as it comes back.
    pub fn restart(&mut self, campaign: Campaign) {
        let before = std::mem::replace(&mut self.campaign, campaign);
        self.begin(before.columns, before.runs);
    }

    /// So many runs of each column are wanted, if there are not as many already: what is done stays, for a run's luck
    /// hangs on its number alone.
    pub fn refine(&mut self, runs: u64) {
        self.campaign.runs = self.campaign.runs.max(runs);
        for share in &mut self.shares {
            share.runs = share.task.part.runs(self.campaign.runs);
        }
    }

    fn begin(&mut self, before: Vec<(String, Column)>, runs_before: u64) {
        self.generation += 1;
        let old = std::mem::take(&mut self.shares);
        for task in self.campaign.tasks() {
            let (_, column) = &self.campaign.columns[task.column];
            let kept = old.iter().find(|share| {
                share.task.part == task.part
                    && runs_before == self.campaign.runs
                    && before[share.task.column].1 == *column
                    && !self.shares.iter().any(|taken| taken.plan == share.plan)
            });
            self.shares.push(match kept {
                Some(share) => Share { task, ..share.clone() },
                None => {
                    self.next_plan += 1;
                    Share {
                        plan: self.next_plan - 1,
                        task,
                        runs: task.part.runs(self.campaign.runs),
                        handed: 0,
                        micros: None,
                        sums: Metrics::default(),
                    }
                }
            });
        }
    }

    /// What is measured.
    pub fn campaign(&self) -> &Campaign {
        &self.campaign
    }

    /// Rises at every restart.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// How many runs are done of how many.
    pub fn progress(&self) -> Progress {
        let sums = |share: &Share| share.sums.runs + share.sums.given_up;
        Progress {
            done: self.shares.iter().map(sums).sum(),
            total: self.shares.iter().map(|share| share.runs).sum(),
        }
    }

    /// The sums of a task so far.
    pub fn sums(&self, task: Task) -> &Metrics {
        &self.shares[self.campaign.place(task)].sums
    }

    /// How many slices workers still owe.
    pub fn outstanding(&self) -> u32 {
        self.workers.iter().map(|state| state.outstanding).sum()
    }

    /// What to send to a worker now, in order; nothing if it has enough to do or nothing is left.
    pub fn next(&mut self, worker: usize) -> Vec<ToWorker> {
        let mut messages = Vec::new();
        let Some(state) = self.workers.get_mut(worker) else { return messages };
        let shares = &self.shares;
        state.prepared.retain(|plan| {
            let wanted = shares.iter().any(|share| share.plan == *plan);
            if !wanted {
                messages.push(ToWorker::Forget { plan: *plan });
            }
            wanted
        });
        while self.workers[worker].outstanding < OUTSTANDING {
            let Some(place) = self.least_advanced() else { break };
            let plan = self.shares[place].plan;
            if !self.workers[worker].prepared.contains(&plan) {
                self.workers[worker].prepared.push(plan);
                messages.push(self.prepare(place));
            }
            let share = &mut self.shares[place];
            let slice = share.micros.map_or(FIRST_SLICE, |micros| self.slice_micros / micros.max(1));
            let count = slice.clamp(1, RUNS_MAX).min(share.runs - share.handed);
            let first = share.handed;
            share.handed += count;
            self.workers[worker].outstanding += 1;
            messages.push(ToWorker::Run { plan, first, count });
        }
        messages
    }

    /// The plan of which the smallest part is given away: all columns are refined together. Before that, the few runs
    /// without which nothing can be said.
    fn least_advanced(&self) -> Option<usize> {
        (self.shares.iter().enumerate())
            .filter(|(_, share)| share.handed < share.runs)
            .min_by(|(_, one), (_, other)| {
                let first = |share: &Share| share.handed < RUNS_FIRST;
                let part = |a: &Share, b: &Share| u128::from(a.handed) * u128::from(b.runs);
                first(other).cmp(&first(one)).then_with(|| part(one, other).cmp(&part(other, one)))
            })
            .map(|(place, _)| place)
    }

    fn prepare(&self, place: usize) -> ToWorker {
        let Share { plan, task, .. } = self.shares[place];
        let (_, column) = &self.campaign.columns[task.column];
        let mix = if task.part == Part::Faults { column.mix } else { FaultMix::none() };
        let form = PlanForm::new(column.scenario(task.part), mix, column.seed);
        ToWorker::Prepare { plan, form }
    }

    /// Takes a worker's answer in. Whether the sums have changed.
    ///
    /// # Errors
    /// What a worker refused.
    pub fn take(&mut self, worker: usize, answer: FromWorker) -> Result<bool, String> {
        let FromWorker::Done { plan, count, micros, sums, .. } = answer else {
            let FromWorker::Refused { message } = answer else { return Ok(false) };
            return Err(message);
        };
        if let Some(state) = self.workers.get_mut(worker) {
            state.outstanding = state.outstanding.saturating_sub(1);
        }
        let Some(share) = self.shares.iter_mut().find(|share| share.plan == plan) else { return Ok(false) };
        share.micros = Some(micros / count.max(1));
        share.sums.merge(&sums);
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
