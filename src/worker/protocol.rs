//! The messages between page and worker, as lists of whole numbers (`words`): a slice's sums are some thousand numbers, and
//! the page reads a hundred of them a second.

use super::inquiry::{Ask, Told};
use crate::engine::measure::{FaultKind, FaultMix, Metrics, Plan};
use crate::engine::sim::time::Span;
use crate::scenario::Scenario;
use std::sync::Arc;

/// What a page asks of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToWorker {
    /// A plan that runs will be asked of.
    Prepare {
        /// The plan's number; no other plan ever has it.
        plan: u32,
        /// The plan.
        form: PlanForm,
    },
    /// No more runs will be asked of a plan.
    Forget {
        /// The plan's number.
        plan: u32,
    },
    /// Carry out these runs of a prepared plan, and answer with [`FromWorker::Done`].
    Run {
        /// Of which plan.
        plan: u32,
        /// The number of the first run.
        first: u64,
        /// How many.
        count: u64,
    },
    /// An inquiry that will be carried on; one of the same question, with fewer faults, is taken up where it ended.
    Ask {
        /// The inquiry's number; no other inquiry ever has it.
        inquiry: u32,
        /// What is asked.
        ask: Ask,
    },
    /// Carry an inquiry on for about so long, and answer with [`FromWorker::Told`].
    GoOn {
        /// Which.
        inquiry: u32,
        /// In microseconds.
        micros: u64,
    },
    /// Nobody wants to know any more.
    Drop {
        /// Which.
        inquiry: u32,
    },
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromWorker {
    /// Runs are done.
    Done {
        /// Of which plan.
        plan: u32,
        /// The number of the first run.
        first: u64,
        /// How many.
        count: u64,
        /// How long they took, in microseconds of the clock that the caller has.
        micros: u64,
        /// What they came to.
        sums: Box<Metrics>,
    },
    /// How an inquiry stands.
    Told {
        /// Which.
        inquiry: u32,
        /// How.
        told: Told,
    },
    /// A message made no sense.
    Refused {
        /// Why.
        message: String,
    },
}

/// A plan as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanForm {
    /// The scenario without steps, under its workload.
    pub text: String,
    /// By kind: chance per million, average duration in microseconds.
    pub faults: [(u32, u64); FaultKind::ALL.len()],
    /// From which all luck is drawn.
    pub seed: u64,
}

impl PlanForm {
    /// The form of a plan of a scenario.
    pub fn new(scenario: &Scenario, mix: FaultMix, seed: u64) -> PlanForm {
        let faults = FaultKind::ALL.map(|kind| (mix.chance(kind), mix.duration(kind).0));
        PlanForm { text: scenario.to_text(), faults, seed }
    }

    /// The plan.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn plan(&self) -> Result<Plan, String> {
        let setup = crate::scenario::parse(&self.text).map_err(|problems| {
            problems.first().map_or_else(|| "a text that can't be read".to_owned(), ToString::to_string)
        })?;
        let mut mix = FaultMix::none();
        for (kind, (chance, lasts)) in FaultKind::ALL.into_iter().zip(self.faults) {
            mix.set_chance(kind, chance);
            mix.set_duration(kind, Span(lasts));
        }
        Ok(Plan { setup: Arc::new(setup), mix, seed: self.seed })
    }
}
