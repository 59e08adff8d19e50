//! The messages between page and worker, as JSON texts: what a worker can read, a test can read.

use crate::engine::measure::{FaultKind, FaultMix, Metrics, Plan};
use crate::engine::sim::time::Span;
use crate::scenario::Scenario;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a page asks of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A message made no sense.
    Refused {
        /// Why.
        message: String,
    },
}

/// A plan as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanForm {
    /// The scenario without steps, under its workload.
    pub text: String,
    /// Kind, chance per million, average duration in microseconds.
    pub faults: Vec<(String, u32, u64)>,
    /// From which all luck is drawn.
    pub seed: u64,
}

impl PlanForm {
    /// The form of a plan of a scenario.
    pub fn new(scenario: &Scenario, mix: FaultMix, seed: u64) -> PlanForm {
        let faults =
            FaultKind::ALL.map(|kind| (kind.name().to_owned(), mix.chance(kind), mix.duration(kind).0));
        PlanForm { text: scenario.to_text(), faults: faults.to_vec(), seed }
    }

    /// The plan.
    ///
    /// # Errors
    /// What is wrong with the text, or with the kind of a fault.
    pub fn plan(&self) -> Result<Plan, String> {
        let setup = crate::scenario::parse(&self.text).map_err(|problems| {
            problems.first().map_or_else(|| "a text that can't be read".to_owned(), ToString::to_string)
        })?;
        let mut mix = FaultMix::none();
        for (name, chance, lasts) in &self.faults {
            let kind = FaultKind::by_name(name).ok_or_else(|| format!("no kind of fault '{name}'"))?;
            mix.set_chance(kind, *chance);
            mix.set_duration(kind, Span(*lasts));
        }
        Ok(Plan { setup: Arc::new(setup), mix, seed: self.seed })
    }
}

macro_rules! json {
    ($message:ty) => {
        impl $message {
            /// As a JSON text.
            pub fn to_json(&self) -> String {
                // Writing numbers, texts and lists into a String does not fail.
                serde_json::to_string(self).unwrap_or_default()
            }

            /// From a JSON text.
            ///
            /// # Errors
            /// What is wrong with it, and where.
            pub fn from_json(text: &str) -> Result<Self, String> {
                serde_json::from_str(text).map_err(|error| error.to_string())
            }
        }
    };
}

json!(ToWorker);
json!(FromWorker);
