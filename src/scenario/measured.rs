//! From a scenario to plans that are measured, and from a measured run back to a scenario that plays it.

use super::{
    ApplicationDeclaration, BrokerAction, ClientAction, Fault, LinkAction, LinkEnds, Program, Scenario, Step,
    StepLine, Trigger,
};
use crate::engine::kafka::config::Line;
use crate::engine::measure::{Cut, FaultKind, FaultMix, Luck, Part, Plan, Runner, Target, TimedFault};
use crate::engine::script::FaultEffect;
use crate::engine::sim::hash::StreamHash;
use crate::engine::sim::time::{Span, Time};
use crate::engine::world::RunError;
use std::fmt;
use std::sync::Arc;

/// How many records each producing program sends, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Workload {
    /// Records of each producing program.
    pub records: u32,
    /// The time between two of them.
    pub every: Span,
    /// Records of each producing program where speed is measured.
    pub saturating_records: u32,
}

impl Workload {
    /// The workload of the matrix: 100 records in a second.
    pub const MATRIX: Workload = Workload { records: 100, every: Span::millis(10), saturating_records: 4000 };

    /// How long it takes, nominally.
    pub const fn window(self) -> Span {
        Span(self.records as u64 * self.every.0)
    }
}

/// Why a scenario can't be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMeasurable {
    /// No application has a program that produces.
    NoProgram,
    /// Kafka refuses its configuration, or it is wrong in another way.
    Problem(String),
}

impl fmt::Display for NotMeasurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotMeasurable::NoProgram => f.write_str(
                "nothing to measure: no application has a program that sends records, such as \
                 `program P produce 100 every 10ms`; what steps send is not measured",
            ),
            NotMeasurable::Problem(problem) => f.write_str(problem),
        }
    }
}

/// A column of the matrix: a scenario as it is measured. Its steps are dropped, faults and sends alike; its
/// settings, programs and sinks stay; records and rate are the workload's.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The scenario without steps, under the workload.
    scenario: Scenario,
    /// The same as fast as possible.
    saturated: Scenario,
    /// The faults of [`Part::Faults`].
    pub mix: FaultMix,
    /// From which all luck is drawn.
    pub seed: u64,
}

impl Column {
    /// The column of a scenario.
    ///
    /// # Errors
    /// If there is nothing to measure in it.
    pub fn new(
        scenario: &Scenario,
        workload: Workload,
        mix: FaultMix,
        seed: u64,
    ) -> Result<Column, NotMeasurable> {
        let mut calm = Scenario { steps: Vec::new(), look: None, row: None, seed: 0, ..scenario.clone() };
        let produces =
            |known: &ApplicationDeclaration| matches!(known.program, Some(Program::Produce { .. }));
        if !calm.applications.iter().any(produces) {
            return Err(NotMeasurable::NoProgram);
        }
        drop_idle_applications(&mut calm);
        let mut saturated = calm.clone();
        set_workload(&mut calm, workload.records, Some(workload.every));
        set_workload(&mut saturated, workload.saturating_records, None);
        for scenario in [&calm, &saturated] {
            if let Err(problems) = scenario.lower() {
                let problem = problems.first().map_or_else(String::new, ToString::to_string);
                return Err(NotMeasurable::Problem(problem));
            }
        }
        Ok(Column { scenario: calm, saturated, mix, seed })
    }

    /// The scenario of a part, without steps.
    pub fn scenario(&self, part: Part) -> &Scenario {
        match part {
            Part::Faults | Part::Calm => &self.scenario,
            Part::Saturated => &self.saturated,
        }
    }

    /// What is run for a part.
    ///
    /// # Panics
    /// Never: [`Column::new`] has lowered both scenarios.
    pub fn plan(&self, part: Part) -> Plan {
        let lowered = self.scenario(part).lower().expect("lowered before");
        let mix = if part == Part::Faults { self.mix } else { FaultMix::none() };
        Plan { setup: Arc::new(lowered.setup), mix, seed: self.seed }
    }

    /// The scenario that plays a run of a part: the run's seed, and its faults as steps.
    ///
    /// # Errors
    /// [`RunError`] if the run does not come to its end.
    pub fn explain(&self, part: Part, run: u64) -> Result<Scenario, RunError> {
        let mut runner = Runner::new(&self.plan(part));
        let ended = runner.play(run);
        ended.map(|()| self.play(part, runner.luck()))
    }

    fn play(&self, part: Part, luck: &Luck) -> Scenario {
        let mut scenario = self.scenario(part).clone();
        scenario.seed = luck.seed;
        let names = scenario.applications.iter().map(|known| known.name.clone()).collect::<Vec<_>>();
        let steps = luck.cuts.iter().map(|cut| cut_line(cut, &names));
        let timed = luck.faults.iter().flat_map(|fault| fault_lines(fault, &names));
        scenario.steps = steps.chain(timed).collect();
        scenario
    }

    /// Names all that decides the outcome: sums of equal fingerprints may be merged.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = StreamHash::new();
        hash.text(&self.scenario.to_text());
        hash.text(&self.saturated.to_text());
        hash.number(self.seed);
        for kind in FaultKind::ALL {
            hash.number(u64::from(self.mix.chance(kind)));
            hash.number(self.mix.duration(kind).0);
        }
        hash.value()
    }
}

/// Without steps an application without a program does nothing: nobody should wait for it to read.
fn drop_idle_applications(scenario: &mut Scenario) {
    let transformed: Vec<String> = (scenario.applications.iter())
        .filter_map(|known| match &known.program {
            Some(Program::Transform { consumer, .. }) => Some(consumer.clone()),
            _ => None,
        })
        .collect();
    scenario.applications.retain(|known| known.program.is_some() || transformed.contains(&known.name));
}

/// Sets how many records producing programs send and how fast; without a rate all at once, and processing takes no
/// time.
fn set_workload(scenario: &mut Scenario, records: u32, rate: Option<Span>) {
    for application in &mut scenario.applications {
        match &mut application.program {
            Some(Program::Produce { count, every, .. }) => {
                *count = records;
                *every = rate.unwrap_or(Span::ZERO);
            }
            Some(Program::Consume { processing, .. } | Program::Transform { processing, .. })
                if rate.is_none() =>
            {
                *processing = Span::ZERO;
            }
            _ => {}
        }
    }
}

/// The line that says a cut.
pub(super) fn cut_line(cut: &Cut, names: &[String]) -> StepLine {
    let fault = Fault {
        application: names[usize::from(cut.application.0)].clone(),
        api: cut.key.api,
        from: cut.key.number,
        to: cut.key.number,
        direction: cut.key.direction,
        effect: FaultEffect::Cut,
        after: None,
    };
    // A fault is bound to the instance that there is, and the first step that names a client starts it: for one that
    // starts later the fault is put on just after its start.
    let trigger = match cut.incarnation {
        0 | 1 if cut.started_at == Time::ZERO => Trigger::InOrder,
        _ => Trigger::At(cut.started_at + Span::micros(1)),
    };
    StepLine { line: Line(0), trigger, step: Step::Fault(fault), background: false, lasts: None }
}

fn fault_lines(fault: &TimedFault, names: &[String]) -> Vec<StepLine> {
    let line = |step| StepLine {
        line: Line(0),
        trigger: Trigger::At(fault.at),
        step,
        background: false,
        lasts: Some(fault.lasts),
    };
    match fault.target {
        Target::Broker(broker) => {
            let action = match fault.kind {
                FaultKind::BrokerPause => BrokerAction::Pause,
                FaultKind::PowerLoss => BrokerAction::LosePower { flushed: fault.flushed },
                _ => BrokerAction::Kill,
            };
            vec![line(Step::Broker(broker, action))]
        }
        Target::Process(process) if fault.kind == FaultKind::ClientCrash => {
            let name = names[usize::from(process.application.0)].clone();
            vec![line(Step::Client(name, ClientAction::Crash))]
        }
        Target::Process(process) => process
            .applications()
            .map(|application| {
                let name = names[usize::from(application.0)].clone();
                line(match fault.kind {
                    FaultKind::ClientPause => Step::Client(name, ClientAction::Pause),
                    _ => Step::Link(LinkEnds::Client(name, None), LinkAction::Hold),
                })
            })
            .collect(),
    }
}
