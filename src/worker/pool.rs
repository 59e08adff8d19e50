//! The page's side: which worker does what, what has come back, and how far the whole is.

use super::SLICE_MICROS;
use super::bench::RUNS_MAX;
use super::protocol::{FromWorker, PlanForm, ToWorker};
use crate::engine::measure::{FaultMix, Metrics, Part};
use crate::scenario::campaign::{Campaign, Task};

/// So many slices wait at a worker at most: one that it works at, one so that it does not wait for the next.
const OUTSTANDING: u32 = 2;

/// The first slice of a plan: nothing is known yet of how long its runs take.
const FIRST_SLICE: u64 = 4;

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
    task: Task,
    runs: u64,
    handed: u64,
    /// What a run takes, in microseconds, as the last slice says.
    micros: Option<u64>,
    sums: Metrics,
}

#[derive(Clone, Debug, Default)]
struct WorkerState {
    /// By plan: this generation's was sent.
    prepared: Vec<bool>,
    outstanding: u32,
}

/// Shares a campaign out among workers.
#[derive(Clone, Debug)]
pub struct Pool {
    campaign: Campaign,
    generation: u32,
    shares: Vec<Share>,
    workers: Vec<WorkerState>,
}

impl Pool {
    /// A pool of so many workers.
    pub fn new(campaign: Campaign, workers: usize) -> Pool {
        let mut pool = Pool { campaign, generation: 0, shares: Vec::new(), workers: Vec::new() };
        pool.workers.resize_with(workers, WorkerState::default);
        pool.begin();
        pool
    }

    /// Something else is to be measured: what is under way is dropped as it comes back.
    pub fn restart(&mut self, campaign: Campaign) {
        self.campaign = campaign;
        self.begin();
    }

    fn begin(&mut self) {
        self.generation += 1;
        self.shares = (self.campaign.tasks())
            .map(|task| Share {
                task,
                runs: task.part.runs(self.campaign.runs),
                handed: 0,
                micros: None,
                sums: Metrics::default(),
            })
            .collect();
        for worker in &mut self.workers {
            worker.prepared = vec![false; self.shares.len()];
            // A worker of an earlier generation does not answer what it has not begun.
            worker.outstanding = 0;
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

    /// What to send to a worker now, in order; nothing if it has enough to do or nothing is left.
    pub fn next(&mut self, worker: usize) -> Vec<ToWorker> {
        let mut messages = Vec::new();
        while self.workers.get(worker).is_some_and(|state| state.outstanding < OUTSTANDING) {
            let Some(plan) = self.least_advanced() else { break };
            if !std::mem::replace(&mut self.workers[worker].prepared[plan], true) {
                messages.push(self.prepare(plan));
            }
            let share = &mut self.shares[plan];
            let slice = share.micros.map_or(FIRST_SLICE, |micros| SLICE_MICROS / micros.max(1));
            let count = slice.clamp(1, RUNS_MAX).min(share.runs - share.handed);
            let first = share.handed;
            share.handed += count;
            self.workers[worker].outstanding += 1;
            messages.push(ToWorker::Run { generation: self.generation, plan: plan as u32, first, count });
        }
        messages
    }

    /// The plan of which the smallest part is given away: all columns are refined together.
    fn least_advanced(&self) -> Option<usize> {
        (self.shares.iter().enumerate())
            .filter(|(_, share)| share.handed < share.runs)
            .min_by(|(_, one), (_, other)| {
                let part = |a: &Share, b: &Share| u128::from(a.handed) * u128::from(b.runs);
                part(one, other).cmp(&part(other, one))
            })
            .map(|(place, _)| place)
    }

    fn prepare(&self, plan: usize) -> ToWorker {
        let Share { task, .. } = self.shares[plan];
        let (_, column) = &self.campaign.columns[task.column];
        let mix = if task.part == Part::Faults { column.mix } else { FaultMix::none() };
        let form = PlanForm::new(column.scenario(task.part), mix, column.seed);
        ToWorker::Prepare { generation: self.generation, plan: plan as u32, form }
    }

    /// Takes a worker's answer in. Whether the sums have changed.
    ///
    /// # Errors
    /// What a worker refused.
    pub fn take(&mut self, worker: usize, answer: FromWorker) -> Result<bool, String> {
        match answer {
            FromWorker::Refused { generation, message } if generation == self.generation => Err(message),
            FromWorker::Done { generation, plan, count, micros, sums, .. }
                if generation == self.generation =>
            {
                if let Some(state) = self.workers.get_mut(worker) {
                    state.outstanding = state.outstanding.saturating_sub(1);
                }
                let Some(share) = self.shares.get_mut(plan as usize) else { return Ok(false) };
                share.micros = Some(micros / count.max(1));
                share.sums.merge(&sums);
                Ok(true)
            }
            FromWorker::Done { .. } | FromWorker::Refused { .. } => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests;
