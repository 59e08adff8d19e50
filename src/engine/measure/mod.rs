//! Many seeded runs of one setup under a mix of faults, and what they come to.
//!
//! A [`Plan`] says what is run, a [`Runner`] carries out runs by their numbers, [`Metrics`] sum them up. A run's
//! luck depends on the plan's seed and its number alone; sums are whole numbers: whoever carries out which runs,
//! in whatever order, the merged result is the same, bit for bit. `docs/measuring.md` defines each number.

use super::check::{FinalLog, Judge};
use super::kafka::types::*;
use super::ledger::Answer;
use super::script::{ClientConfig, Setup};
use super::sim::choice::ChoiceOption;
use super::sim::time::{Span, Time};
use super::world::{RunError, World, option};
use std::sync::Arc;

mod encode;
pub mod estimate;
pub mod faults;
pub mod histogram;
pub mod metrics;
pub mod mix;
pub mod report;

pub use estimate::{Estimate, Example, Milli, Tally};
pub use faults::{Cut, Target, TimedFault, seed_of};
pub use histogram::Histogram;
pub use metrics::{Counted, Metrics, Sample, Timed};
pub use mix::{FaultKind, FaultMix};
pub use report::{Metric, Part};

use faults::Sampler;

/// What takes longer than this is a time in which records could not be written, or not be read.
pub const PROMPT: Span = Span::millis(100);

/// What is measured: one setup without steps, under one mix of faults, from one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What every run starts from; its seed and its script are each run's own.
    pub setup: Arc<Setup>,
    /// The faults.
    pub mix: FaultMix,
    /// From which the runs' seeds are drawn.
    pub seed: u64,
}

/// All that a run suffers: with the setup it is the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Luck {
    /// The run's seed.
    pub seed: u64,
    /// Faults at instants, in the order of time.
    pub faults: Vec<TimedFault>,
    /// Messages that were cut, in the order of cutting.
    pub cuts: Vec<Cut>,
}

/// Carries out the runs of a plan, one after another, and keeps its room from run to run.
#[derive(Clone, Debug)]
pub struct Runner {
    seed: u64,
    sampler: Sampler,
    /// Of the run that was carried out last.
    luck: Luck,
    world: World,
    log: FinalLog,
    judge: Judge,
    /// By `RecordId`: the first copy that readers of committed data get.
    first_copies: Vec<Option<(PartitionId, Offset)>>,
    /// By `RecordId`: which isolation level its readers have, by partition.
    readers: Vec<IsolationLevel>,
    sample: Sample,
}

impl Runner {
    /// Ready for any run of a plan.
    pub fn new(plan: &Plan) -> Runner {
        let setup = &plan.setup;
        Runner {
            seed: plan.seed,
            sampler: Sampler::new(setup, plan.mix),
            luck: Luck::default(),
            world: World::new(setup.clone(), false),
            log: FinalLog::default(),
            judge: Judge::new(setup),
            first_copies: Vec::new(),
            readers: readers(setup),
            sample: Sample::default(),
        }
    }

    /// Carries out a run and adds it to the sums.
    pub fn run(&mut self, run: u64, metrics: &mut Metrics) {
        if self.play(run).is_err() {
            return metrics.give_up(run);
        }
        for fault in &self.luck.faults {
            metrics.faults[fault.kind as usize] += 1;
        }
        for cut in &self.luck.cuts {
            let kind = match cut.key.direction {
                Direction::Request => FaultKind::RequestCut,
                Direction::Response => FaultKind::ResponseCut,
            };
            metrics.faults[kind as usize] += 1;
        }
        self.look(run, metrics);
        let faults = (self.luck.faults.len() + self.luck.cuts.len()) as u32;
        metrics.add(run, faults, &self.sample);
    }

    /// Carries out a run; its world and its luck can be looked at afterwards.
    ///
    /// # Errors
    /// [`RunError`] if it does not come to its end within the limits of a run.
    pub fn play(&mut self, run: u64) -> Result<(), RunError> {
        let seed = seed_of(self.seed, run);
        self.luck.seed = seed;
        self.luck.cuts.clear();
        self.sampler.faults(seed, &mut self.luck.faults);
        self.begin(seed);
        let cuts = self.sampler.cuts_messages();
        self.world.ask(cuts);
        while let Some(choice) = self.world.run_to_choice()? {
            // The faults are over when the programs are at rest.
            if self.world.is_ending() || !self.sampler.cuts(&self.world, choice.key) {
                self.world.resolve(ChoiceOption::BENIGN);
                continue;
            }
            let client = &self.world.clients[usize::from(choice.key.client.0)];
            if let Some(application) = client.application {
                let (incarnation, started_at) = (client.incarnation, client.started_at);
                self.luck.cuts.push(Cut { key: choice.key, application, incarnation, started_at });
            }
            self.world.resolve(option::CUT);
        }
        Ok(())
    }

    /// The world at the start of a run with this seed and the faults drawn for it.
    fn begin(&mut self, seed: u64) {
        // First, for programs make their first calls when the world is set up.
        let records = self.world.stage.setup.records.len();
        self.world.stage.meter.get_or_insert_default().begin(records);
        let faults = &self.luck.faults;
        self.world.renew(|setup| {
            setup.seed = seed;
            setup.script.clear();
            faults.iter().for_each(|fault| fault.script(&mut setup.script));
        });
    }

    /// The world of the run that was carried out last.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What that run suffered.
    pub fn luck(&self) -> &Luck {
        &self.luck
    }

    /// What that run came to; after [`Runner::run`].
    pub fn sample(&self) -> &Sample {
        &self.sample
    }

    /// How that run was judged; after [`Runner::run`].
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// How long the workload takes, nominally.
    pub fn window(&self) -> Span {
        self.sampler.window()
    }

    /// Looks at a world that has come to its end.
    fn look(&mut self, run: u64, metrics: &mut Metrics) {
        self.log.read(&self.world);
        self.judge.judge(&self.world.stage.ledger, &self.log);
        self.first_copies.clear();
        self.first_copies.resize(self.judge.records().len(), None);
        for copy in self.log.copies.iter().filter(|copy| copy.status.is_committed()) {
            self.first_copies[copy.record.0 as usize].get_or_insert((copy.partition, copy.offset));
        }
        self.sample = Sample { counts: self.judge.counts(), ..Sample::default() };
        self.look_at_records(run, metrics);
        self.look_at_application(metrics);
        self.look_at_costs();
    }

    fn look_at_records(&mut self, run: u64, metrics: &mut Metrics) {
        let Runner { world, judge, sample, .. } = self;
        let Some(meter) = &world.stage.meter else { return };
        let (mut first_sent, mut last_written, mut last_effect) = (Time::NEVER, Time::ZERO, Time::ZERO);
        for (index, judgement) in judge.records().iter().enumerate() {
            let record = RecordId(index as u32);
            let fate = world.stage.ledger.record(record);
            let Some(sent_at) = fate.sent_at.filter(|_| judgement.counts) else { continue };
            if judge.audience().is_output(record) {
                continue;
            }
            first_sent = first_sent.min(sent_at);
            if let (Answer::Acknowledged(_), Some(at)) = (fate.answer, fate.answered_at) {
                metrics.times[Timed::Acknowledgement as usize].add(run, at.since(sent_at).0);
            }
            let written_at = meter.written_at(record);
            if let Some(written_at) = written_at {
                sample.written.0 += 1;
                last_written = last_written.max(written_at);
            }
            let prompt = written_at.is_some_and(|at| at.since(sent_at) <= PROMPT);
            sample.not_written_promptly += u32::from(!prompt);

            let readable = |record: RecordId| {
                let (partition, offset) = self.first_copies[record.0 as usize]?;
                meter.readable_at(partition, offset, self.readers[partition.index()])
            };
            let output = judge.audience().output_of(record);
            let waits = |record: RecordId| {
                meter
                    .written_at(record)
                    .is_some_and(|written_at| readable(record).is_none_or(|at| at.since(written_at) > PROMPT))
            };
            sample.not_readable_promptly += u32::from(waits(record) || output.is_some_and(waits));
            // An output takes effect when readers of committed data get it.
            let effect_at = match output {
                Some(output) => readable(output),
                None => fate.processed_at,
            };
            if let Some(effect_at) = effect_at {
                metrics.times[Timed::EndToEnd as usize].add(run, effect_at.since(sent_at).0);
                sample.effects.0 += 1;
                last_effect = last_effect.max(effect_at);
            }
        }
        sample.written.1 = last_written.since(first_sent).0;
        sample.effects.1 = last_effect.since(first_sent).0;
    }

    fn look_at_application(&self, metrics: &mut Metrics) {
        if let Some(meter) = &self.world.stage.meter {
            metrics.states.0 |= meter.states().0;
        }
        for application in &self.world.applications {
            metrics.raised.0 |= application.program.raised.0;
        }
        for fate in &self.world.stage.ledger.records {
            if let Answer::Failed(exception) | Answer::Threw(exception) = fate.answer {
                metrics.raised.insert(exception.class);
            }
        }
    }

    fn look_at_costs(&mut self) {
        let Runner { world, sample, .. } = self;
        if let Some(meter) = &world.stage.meter {
            let traffic = meter.traffic_at_last_use();
            sample.requests = traffic.requests;
            sample.client_requests = traffic.client_requests;
            sample.network_bytes = traffic.bytes;
        }
        for broker in &world.brokers {
            for index in 0..world.image().partitions.len() {
                let Some(log) = broker.log(PartitionId(index as u8)) else { continue };
                sample.disk_writes += log.batches().len() as u64;
                sample.log_bytes += log.batches().iter().map(|batch| u64::from(batch.bytes)).sum::<u64>();
            }
        }
        sample.payload_bytes = payload_bytes(&world.stage.setup);
    }
}

/// By partition: the isolation level of the first application that reads it; read_committed where none does.
fn readers(setup: &Setup) -> Vec<IsolationLevel> {
    let mut readers = vec![None; PARTITIONS_MAX];
    for application in &setup.applications {
        if let ClientConfig::Consumer { config, topic, .. } = &application.client
            && let Some(topic) = setup.topics.get(usize::from(topic.0))
        {
            let first = topic.first_partition.index();
            for reader in readers.iter_mut().skip(first).take(usize::from(topic.config.partitions)) {
                reader.get_or_insert(config.isolation_level);
            }
        }
    }
    readers.into_iter().map(|level| level.unwrap_or(IsolationLevel::ReadCommitted)).collect()
}

/// The bytes that producing programs send; outputs are part of the price.
fn payload_bytes(setup: &Setup) -> u64 {
    use super::script::Program;
    (setup.applications.iter())
        .map(|application| match application.program {
            Some(Program::Produce { count, size, .. }) => u64::from(count) * u64::from(size),
            _ => 0,
        })
        .sum()
}
