//! Which faults a run suffers: drawn up front from the run's seed, by kind and target, so that a change of
//! settings meets the same luck.

use super::mix::{FaultKind, FaultMix, MILLION, Per};
use crate::engine::kafka::network::LinkEnds;
use crate::engine::kafka::types::*;
use crate::engine::script::*;
use crate::engine::sim::random::Random;
use crate::engine::sim::time::{Span, Time};
use crate::engine::world::{ChoiceKey, World};

/// Streams of draws, beside those of the engine (`kafka::out::stream`).
mod stream {
    pub const RUN: u32 = 100;
    pub const HAPPENS: u32 = 101;
    pub const INSTANT: u32 = 102;
    pub const DURATION: u32 = 103;
    pub const CUT: u32 = 104;
}

/// The operating system writes what was written to files to the disk some time later: a power loss takes
/// what the last so much time brought (Linux flushes every five seconds what is older than thirty).
const UNFLUSHED: Span = Span::seconds(30);

/// Instants are multiples of this, so that they are short to read.
const TICK: Span = Span::micros(100);

/// The seed of a run.
pub fn seed_of(seed: u64, run: u64) -> u64 {
    Random::new(seed).bits(stream::RUN, run, 0)
}

/// A fault at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedFault {
    /// When.
    pub at: Time,
    /// What.
    pub kind: FaultKind,
    /// To whom.
    pub target: Target,
    /// How long it lasts.
    pub lasts: Span,
    /// A power loss: so many records of the default topic had reached the disk.
    pub flushed: u32,
}

/// Whom a fault happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A client process.
    Process(Process),
    /// A broker.
    Broker(BrokerId),
}

/// A client process: an application, or a transforming one with its consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The application whose crash is the crash of both.
    pub application: ApplicationId,
    /// The consumer in the same process.
    pub consumer: Option<ApplicationId>,
    /// Names its luck.
    luck: u64,
}

impl Process {
    /// Its applications.
    pub fn applications(self) -> impl Iterator<Item = ApplicationId> {
        [Some(self.application), self.consumer].into_iter().flatten()
    }
}

/// A message whose connection was cut: what `fault P Produce 3 request cut` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The message.
    pub key: ChoiceKey,
    /// Whose.
    pub application: ApplicationId,
    /// Which of its instances.
    pub incarnation: u32,
    /// When that instance started.
    pub started_at: Time,
}

/// Draws the faults of runs of one setup.
#[derive(Clone, Debug)]
pub struct Sampler {
    mix: FaultMix,
    processes: Vec<Process>,
    /// By application: the name of its messages' luck.
    lucks: Vec<u64>,
    brokers: u8,
    /// How long the workload takes, nominally.
    window: Span,
    /// The time between two records, nominally.
    every: Span,
}

impl Sampler {
    /// A sampler for the runs of a setup.
    pub fn new(setup: &Setup, mix: FaultMix) -> Sampler {
        Sampler::build(setup, mix, false)
    }

    /// A sampler for what may still become of a run that goes on for so long. Applications that do what steps say suffer
    /// as those do that run a program.
    pub fn of_futures(setup: &Setup, mix: FaultMix, busy: Span) -> Sampler {
        Sampler { window: busy.max(TICK), ..Sampler::build(setup, mix, true) }
    }

    fn build(setup: &Setup, mix: FaultMix, with_scripted: bool) -> Sampler {
        let transformed: Vec<ApplicationId> = (setup.applications.iter())
            .filter_map(|application| match application.program {
                Some(Program::Transform { consumer, .. }) => Some(consumer),
                _ => None,
            })
            .collect();
        let mut processes = Vec::new();
        let mut lucks = vec![0; setup.applications.len()];
        // The n-th of its kind has the same luck in every setup, whatever stands beside it.
        let mut ordinals = [0u64; 3];
        let mut luck = |kind: usize| {
            ordinals[kind] += 1;
            (kind as u64 + 1) << 8 | ordinals[kind]
        };
        for (index, application) in setup.applications.iter().enumerate() {
            let application_id = ApplicationId(index as u8);
            let (own, consumer) = match application.program {
                Some(Program::Produce { .. }) => (luck(0), None),
                Some(Program::Consume { .. }) => (luck(1), None),
                Some(Program::Transform { consumer, .. }) => {
                    lucks[usize::from(consumer.0)] = luck(1);
                    (luck(2), Some(consumer))
                }
                None if !with_scripted || transformed.contains(&application_id) => continue,
                None => match application.client {
                    ClientConfig::Producer(_) => (luck(0), None),
                    ClientConfig::Consumer { .. } => (luck(1), None),
                },
            };
            lucks[index] = own;
            // A transforming process crashes with the luck of a consuming one.
            let luck = consumer.map_or(own, |consumer| lucks[usize::from(consumer.0)]);
            processes.push(Process { application: application_id, consumer, luck });
        }
        let (mut window, mut every) = (TICK, TICK);
        for application in &setup.applications {
            if let Some(Program::Produce { count, every: between, .. }) = application.program {
                window = window.max(Span(u64::from(count).saturating_mul(between.0)));
                every = every.max(between);
            }
        }
        Sampler { mix, processes, lucks, brokers: setup.brokers, window, every }
    }

    /// How long the workload takes, nominally.
    pub fn window(&self) -> Span {
        self.window
    }

    /// The faults at instants from one on, as [`Sampler::faults`] draws them from the start.
    pub fn faults_from(&self, seed: u64, begin: Time, faults: &mut Vec<TimedFault>) {
        self.faults(seed, faults);
        for fault in faults {
            fault.at = begin + fault.at.since(Time::ZERO);
            fault.flushed = self.flushed(fault.at);
        }
    }

    /// So many records have reached the disk by then.
    fn flushed(&self, at: Time) -> u32 {
        (at.since(Time::ZERO + UNFLUSHED).0 / self.every.0) as u32
    }

    /// The faults at instants of a run, in the order of time. One target suffers one at a time: a fault that would
    /// begin before the last one is over does not happen.
    pub fn faults(&self, seed: u64, faults: &mut Vec<TimedFault>) {
        faults.clear();
        let random = Random::new(seed);
        for kind in FaultKind::ALL {
            match kind.per() {
                Per::Message => {}
                Per::Client => {
                    for process in &self.processes {
                        self.draw(random, kind, process.luck, Target::Process(*process), faults);
                    }
                }
                Per::Broker => {
                    for broker in 1..=self.brokers {
                        self.draw(random, kind, u64::from(broker), Target::Broker(BrokerId(broker)), faults);
                    }
                }
            }
        }
        faults.sort_by_key(|fault| (fault.at, fault.kind));
        let mut index = 0;
        while index < faults.len() {
            let fault = faults[index];
            let overlaps = faults[..index]
                .iter()
                .any(|earlier| earlier.target == fault.target && earlier.at + earlier.lasts >= fault.at);
            if overlaps {
                faults.remove(index);
            } else {
                index += 1;
            }
        }
    }

    fn draw(&self, random: Random, kind: FaultKind, luck: u64, target: Target, faults: &mut Vec<TimedFault>) {
        let key = kind as u64;
        if random.below(u64::from(MILLION), stream::HAPPENS, key, luck) >= u64::from(self.mix.chance(kind)) {
            return;
        }
        let tick = |span: Span| Span((span.0 / TICK.0).max(1) * TICK.0);
        let at = Time::ZERO + tick(Span(random.below(self.window.0, stream::INSTANT, key, luck)));
        let usual = self.mix.duration(kind);
        let lasts = tick(Span(usual.0 / 2) + Span(random.below(usual.0 + 1, stream::DURATION, key, luck)));
        faults.push(TimedFault { at, kind, target, lasts, flushed: self.flushed(at) });
    }

    /// Whether messages are cut at all.
    pub fn cuts_messages(&self) -> bool {
        self.mix.chance(FaultKind::RequestCut) > 0 || self.mix.chance(FaultKind::ResponseCut) > 0
    }

    /// Whether a message's connection is cut while it is on its way.
    pub fn cuts(&self, world: &World, key: ChoiceKey) -> bool {
        let client = &world.clients[usize::from(key.client.0)];
        let Some(application) = client.application else { return false };
        let kind = match key.direction {
            Direction::Request => FaultKind::RequestCut,
            Direction::Response => FaultKind::ResponseCut,
        };
        let who = self.lucks[usize::from(application.0)] << 32 | u64::from(client.incarnation);
        let what = u64::from(key.number) << 8 | (key.api as u64) << 1 | key.direction as u64;
        let draw = world.stage.random.below(u64::from(MILLION), stream::CUT, who, what);
        draw < u64::from(self.mix.chance(kind))
    }
}

impl TimedFault {
    /// Writes the fault into a script: what is done, and what undoes it.
    pub fn script(&self, script: &mut Vec<ScriptLine>) {
        let mut add = |step: Step, undo: Step| {
            let place = script.len() as u32;
            let line =
                |trigger, step| ScriptLine { line: 0, trigger, text: String::new(), background: false, step };
            script.push(line(Trigger::At(self.at), step));
            script.push(line(Trigger::After { step: place, span: self.lasts }, undo));
        };
        match self.target {
            Target::Broker(broker) => {
                let (action, undo) = match self.kind {
                    FaultKind::BrokerPause => (BrokerAction::Pause, BrokerAction::Resume),
                    FaultKind::PowerLoss => {
                        (BrokerAction::LosePower { flushed: self.flushed }, BrokerAction::Start)
                    }
                    _ => (BrokerAction::Kill, BrokerAction::Start),
                };
                add(Step::Broker { broker, action }, Step::Broker { broker, action: undo });
            }
            Target::Process(process) if self.kind == FaultKind::ClientCrash => {
                let application = process.application;
                let step = |action| Step::Client { application, action };
                add(step(ClientAction::Crash), step(ClientAction::Restart));
            }
            Target::Process(process) => {
                for application in process.applications() {
                    if self.kind == FaultKind::ClientPause {
                        let step = |action| Step::Client { application, action };
                        add(step(ClientAction::Pause), step(ClientAction::Resume));
                    } else {
                        let link = LinkEnds::Client(application, None);
                        let step = |action| Step::Link { link, action };
                        add(step(LinkAction::Hold), step(LinkAction::Open));
                    }
                }
            }
        }
    }
}
