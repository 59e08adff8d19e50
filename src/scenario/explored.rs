//! From a scenario to a search for the fewest faults, and from what it finds to a scenario that plays it.

use super::measured::cut_line;
use super::{
    ApplicationDeclaration, BrokerAction, ClientAction, LinkAction, LinkEnds, Program, Scenario, Step,
    StepLine, TopicAction, Trigger,
};
use crate::engine::check::{FinalLog, Judge};
use crate::engine::explore::moves::{Kind, Kinds, moves};
use crate::engine::explore::promise::Promise;
use crate::engine::explore::{Bounds, Fault, Found, Looked, STATES_USUAL, Search, Status};
use crate::engine::kafka::config::Line;
use crate::engine::kafka::types::BrokerId;
use crate::engine::script::{self, Setup};
use crate::engine::sim::time::{Span, Time};
use crate::engine::world::World;
use std::fmt;
use std::sync::Arc;

/// The most records that a search is made over.
pub const RECORDS_MAX: u32 = 20;

/// The most different draws of latencies that a search is made over.
pub const SEEDS_MAX: u32 = 16;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Whose configuration. What goes wrong in it is left out; what its applications do stays.
    pub scenario: Scenario,
    /// Which promise is to be broken.
    pub promise: Promise,
    /// At most so many faults in one run.
    pub faults: u32,
    /// At most so many records of each producing program; what steps send stays as it is.
    pub records: u32,
    /// Of which kinds.
    pub kinds: Kinds,
    /// How many draws of latencies are tried: the scenario's seed and those after it.
    pub seeds: u32,
    /// After so many states the search stops.
    pub states: u64,
    /// See [`Bounds::reduced`].
    pub reduced: bool,
}

impl Question {
    /// The usual question: two faults of the usual kinds, three records.
    pub fn new(scenario: &Scenario, promise: Promise) -> Question {
        Question {
            scenario: scenario.clone(),
            promise,
            faults: 2,
            records: 3,
            kinds: Kinds::USUAL,
            seeds: 2,
            states: STATES_USUAL,
            reduced: true,
        }
    }
}

/// Why there is nothing to search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotExplorable {
    /// No record is ever sent.
    NothingSent,
    /// The promise is about something that the scenario does not have.
    NotPromised(&'static str),
    /// Kafka refuses its configuration, or it is wrong in another way.
    Problem(String),
}

impl fmt::Display for NotExplorable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotExplorable::NothingSent => f.write_str(
                "nothing to search: no application has a program that sends records, such as \
                 `program P produce 3 every 20ms`, and no step sends one",
            ),
            NotExplorable::NotPromised(why) => f.write_str(why),
            NotExplorable::Problem(why) => f.write_str(why),
        }
    }
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one for each search")]
pub enum Answer {
    /// So few faults break it.
    Found {
        /// How many.
        faults: u32,
        /// How many records each producing program sends in it.
        records: u32,
        /// Plays it: the faults are steps.
        scenario: Scenario,
        /// The faults alone, as lines of the text.
        lines: Vec<String>,
    },
    /// Nothing within the bounds breaks it. That is no proof of more.
    NoneWithin {
        /// At most so many faults.
        faults: u32,
        /// At most so many records.
        records: u32,
    },
    /// The bound of states was reached: all with fewer than so many faults were looked at, and nothing broke it.
    LimitReached {
        /// So many faults were being tried.
        faults: u32,
        /// With so many records.
        records: u32,
    },
}

impl Answer {
    /// Its name, as answers in JSON spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            Answer::Found { .. } => "found",
            Answer::NoneWithin { .. } => "none-within-bound",
            Answer::LimitReached { .. } => "limit-reached",
        }
    }
}

/// How far a search has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Runs with so many faults are looked at now; all with fewer were.
    pub faults: u32,
    /// So many records of each producing program.
    pub records: u32,
    /// What was looked at so far.
    pub looked: Looked,
}

/// A search over a scenario, to be carried on in pieces.
#[derive(Clone, Debug)]
pub struct Exploration {
    /// By the place of the setup in the search: the scenario without faults, and the lines that a search may add.
    variants: Vec<Vec<Variant>>,
    search: Search,
}

/// The scenario with so many records and one draw of latencies.
#[derive(Clone, Debug)]
struct Variant {
    calm: Scenario,
    records: u32,
    setup: Arc<Setup>,
    /// By the place of the step in the setup's script: the line that says it.
    lines: Vec<(u32, StepLine)>,
}

impl Exploration {
    /// Prepares a search.
    ///
    /// # Errors
    /// If there is nothing to search.
    pub fn new(question: &Question) -> Result<Exploration, NotExplorable> {
        let mut calm = calm(&question.scenario);
        let sends = |line: &StepLine| matches!(&line.step, Step::Client(_, ClientAction::Send { .. }));
        let has_program =
            calm.applications.iter().any(|known| matches!(known.program, Some(Program::Produce { .. })));
        if !has_program && !calm.steps.iter().any(sends) {
            return Err(NotExplorable::NothingSent);
        }
        calm.row = None;
        calm.look = None;
        let most = question.records.clamp(1, RECORDS_MAX);
        let counts = if has_program { 1..=most } else { most..=most };
        let mut variants = Vec::new();
        for records in counts {
            let mut draws = Vec::new();
            for seed in 0..question.seeds.clamp(1, SEEDS_MAX) {
                let mut scenario = set_records(&calm, records);
                scenario.seed = calm.seed.wrapping_add(u64::from(seed));
                draws.push(Variant::new(scenario, records, question.reduced)?);
            }
            variants.push(draws);
        }
        let reads = variants[0][0].setup.applications.iter().any(|known| match known.client {
            script::ClientConfig::Consumer { .. } => true,
            script::ClientConfig::Producer(_) => false,
        });
        let is_of_readers =
            matches!(question.promise, Promise::NoSkip | Promise::NoReprocessing | Promise::OneEffect);
        if is_of_readers && !reads {
            return Err(NotExplorable::NotPromised(
                "no application reads anything: the promise needs a consumer",
            ));
        }
        let bounds = Bounds {
            faults: question.faults,
            kinds: question.kinds,
            states: question.states,
            reduced: question.reduced,
        };
        let setups_of = |draws: &Vec<Variant>| draws.iter().map(|variant| variant.setup.clone()).collect();
        let setups = variants.iter().map(setups_of).collect();
        Ok(Exploration { search: Search::new(setups, question.promise, bounds), variants })
    }

    /// Carries the search on by about so many states; the answer, once there is one.
    pub fn advance(&mut self, states: u64) -> Option<Answer> {
        self.search.advance(states);
        self.answer()
    }

    /// The answer, once there is one.
    pub fn answer(&self) -> Option<Answer> {
        let (faults, records) = (self.search.faults(), self.progress().records);
        match self.search.status() {
            Status::Going => None,
            Status::Found => self.search.found().map(|found| self.tell(found)),
            Status::NoneWithin => Some(Answer::NoneWithin { faults, records }),
            Status::LimitReached => Some(Answer::LimitReached { faults, records }),
        }
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        let (records, draw) = self.search.place();
        let records = self.variants[records][draw].records;
        Progress { faults: self.search.faults(), records, looked: self.search.looked() }
    }

    /// Allows one fault more, after [`Answer::NoneWithin`]; what was searched is not searched again.
    pub fn one_more_fault(&mut self) {
        self.search.one_more_fault();
    }

    /// Allows so many states more, after [`Answer::LimitReached`].
    pub fn more_states(&mut self, states: u64) {
        self.search.more_states(states);
    }

    /// The promise.
    pub fn promise(&self) -> Promise {
        self.search.promise()
    }

    /// When the found run ended.
    pub fn found_ended_at(&self) -> Option<Time> {
        self.search.found().map(|found| found.ended_at)
    }

    fn tell(&self, found: &Found) -> Answer {
        let variant = &self.variants[found.records][found.draw];
        let lines = variant.lines(&found.faults, self.search.bounds().kinds);
        let scenario = variant.with(&lines);
        let lines = lines.iter().map(ToString::to_string).collect();
        Answer::Found { faults: found.faults.len() as u32, records: variant.records, scenario, lines }
    }
}

impl Variant {
    fn new(calm: Scenario, records: u32, reduced: bool) -> Result<Variant, NotExplorable> {
        let problem = |problems: Vec<super::Problem>| {
            NotExplorable::Problem(problems.first().map_or_else(String::new, ToString::to_string))
        };
        let plain = calm.lower().map_err(problem)?.setup;
        let base = plain.script.len();
        let catalogue = catalogue(&calm, &plain, reduced);
        let mut whole = calm.clone();
        whole.steps.extend(catalogue.iter().cloned());
        let mut setup = whole.lower().map_err(problem)?.setup;
        let mut lines = Vec::new();
        let mut catalogue = catalogue.into_iter();
        for (place, line) in setup.script.iter_mut().enumerate().skip(base) {
            if matches!(line.trigger, script::Trigger::At(_)) {
                line.trigger = script::Trigger::Chosen;
                lines.extend(catalogue.next().map(|line| (place as u32, line)));
            }
        }
        Ok(Variant { calm, records, setup: Arc::new(setup), lines })
    }

    /// The faults as lines of the text.
    fn lines(&self, faults: &[Fault], kinds: Kinds) -> Vec<StepLine> {
        let names: Vec<String> = self.calm.applications.iter().map(|known| known.name.clone()).collect();
        let moves = moves(&self.setup, kinds);
        let mut lines = Vec::new();
        for fault in faults {
            match fault {
                Fault::Cut(cut) => lines.push(cut_line(cut, &names)),
                Fault::Move { place, at } => {
                    let steps = &moves[*place as usize].steps;
                    let chosen = self.lines.iter().filter(|(place, _)| steps.contains(place));
                    lines.extend(chosen.map(|(_, line)| StepLine {
                        trigger: Trigger::At(*at),
                        line: Line(0),
                        ..line.clone()
                    }));
                }
            }
        }
        lines
    }

    /// The scenario with faults in it: before its own steps, so that they are in force when those begin.
    fn with(&self, faults: &[StepLine]) -> Scenario {
        let mut scenario = self.calm.clone();
        scenario.steps = faults.iter().chain(&self.calm.steps).cloned().collect();
        scenario
    }
}

/// The promises that a run breaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broken(u8);

impl Broken {
    /// Whether one is broken.
    pub fn contains(self, promise: Promise) -> bool {
        self.0 & (1 << promise as u8) != 0
    }

    /// The broken promises, the worst first.
    pub fn iter(self) -> impl Iterator<Item = Promise> {
        Promise::ALL.into_iter().filter(move |promise| self.contains(*promise))
    }
}

/// Which promises a scenario breaks when it is run as it stands.
///
/// # Errors
/// What is wrong with it, or why the run did not come to its end.
pub fn broken(scenario: &Scenario) -> Result<Broken, String> {
    let lowered = scenario
        .lower()
        .map_err(|problems| problems.first().map_or_else(String::new, ToString::to_string))?;
    let setup = Arc::new(lowered.setup);
    let mut world = World::new(setup.clone(), false);
    world.run().map_err(|error| error.describe(&setup))?;
    let mut judge = Judge::new(&setup);
    judge.judge(&world.stage.ledger, &FinalLog::of(&world));
    let bit = |promise: Promise| u8::from(promise.is_broken(&judge)) << promise as u8;
    Ok(Broken(Promise::ALL.into_iter().map(bit).sum()))
}

/// A scenario without what goes wrong in it.
pub fn calm(scenario: &Scenario) -> Scenario {
    let mut calm = scenario.clone();
    calm.steps.retain(|line| !is_fault(&line.step));
    calm
}

/// Whether a step is a fault, or undoes one.
pub fn is_fault(step: &Step) -> bool {
    match step {
        Step::Fault(_) | Step::Release(..) | Step::Link(..) | Step::Broker(..) => true,
        Step::Topic(_, action) => matches!(action, TopicAction::MoveLeader { .. }),
        Step::Client(_, action) => matches!(
            action,
            ClientAction::Crash | ClientAction::Restart | ClientAction::Pause | ClientAction::Resume
        ),
        Step::Read { .. } | Step::Wait(_) => false,
    }
}

/// Whether a step only undoes a fault.
pub fn undoes(step: &Step) -> bool {
    match step {
        Step::Release(..) | Step::Link(_, LinkAction::Open) => true,
        Step::Broker(_, action) => matches!(action, BrokerAction::Start | BrokerAction::Resume),
        Step::Client(_, action) => matches!(action, ClientAction::Restart | ClientAction::Resume),
        _ => false,
    }
}

/// The same scenario with so many records of each producing program.
fn set_records(scenario: &Scenario, records: u32) -> Scenario {
    let mut scenario = scenario.clone();
    for application in &mut scenario.applications {
        if let Some(Program::Produce { count, .. }) = &mut application.program {
            *count = records;
        }
    }
    scenario
}

/// A broker that starts serves again within so long, and its clients have found it.
const RETURN: Span = Span::seconds(10);

/// For how long a fault lasts: an abstraction of all the lengths that it might have.
#[derive(Clone, Copy, Debug)]
struct Lengths {
    /// Over before anybody's patience is.
    brief: Span,
    /// Past the session of a broker: another leads.
    past_session: Span,
    /// Past every request and every session.
    past_requests: Span,
    /// Every `delivery.timeout.ms` is longer than it takes a broker to come back after `past_session`.
    is_patience_long: bool,
    /// Past `transaction.timeout.ms` of those who have transactions.
    past_transactions: Option<Span>,
}

impl Lengths {
    fn of(setup: &Setup) -> Lengths {
        let cluster = &setup.cluster;
        let mut most = cluster.broker_session_timeout.max(cluster.replica_lag_time_max);
        let mut transactions: Option<Span> = None;
        let past_session = cluster.broker_session_timeout + Span::seconds(3);
        let mut is_patience_long = true;
        for application in &setup.applications {
            match &application.client {
                script::ClientConfig::Producer(config) => {
                    most = most.max(config.request_timeout);
                    is_patience_long &= config.delivery_timeout > past_session + RETURN;
                    if config.transactional_id.is_some() {
                        transactions = transactions.max(Some(config.transaction_timeout));
                    }
                }
                script::ClientConfig::Consumer { config, .. } => {
                    most = most.max(config.request_timeout).max(config.session_timeout);
                }
            }
        }
        let margin = Span::seconds(5);
        let past_requests = most + margin;
        Lengths {
            brief: Span::seconds(1),
            past_session,
            is_patience_long,
            past_requests,
            past_transactions: transactions.map(|span| span + margin).filter(|span| *span > past_requests),
        }
    }
}

/// All faults at instants that a search may put into a scenario, as lines. Cuts of messages are not among them.
fn catalogue(scenario: &Scenario, setup: &Setup, reduced: bool) -> Vec<StepLine> {
    let lengths = Lengths::of(setup);
    let (brief, long) = (lengths.brief, lengths.past_requests);
    let mut lines = Vec::new();
    let mut number = 0;
    let mut add_all = |steps: Vec<Step>, lasts: Option<Span>| {
        // Lines of one number are one fault.
        number += 1;
        for step in steps {
            let trigger = Trigger::At(Time::ZERO);
            lines.push(StepLine { line: Line(number), trigger, step, background: false, lasts });
        }
    };
    let Some(topic) = scenario.topics.first() else { return Vec::new() };
    let brokers = || (1..=setup.brokers).map(BrokerId);
    for broker in brokers() {
        // A broker that is back before its session has run out is let in no sooner: brief or not, the same follows, unless
        // somebody's patience ends between the two.
        let all = [lengths.past_session, brief, long];
        let count = match (reduced, lengths.is_patience_long) {
            (true, true) => 1,
            (true, false) => 2,
            (false, _) => 3,
        };
        for lasts in all.into_iter().take(count) {
            add_all(vec![Step::Broker(broker, BrokerAction::Kill)], Some(lasts));
            add_all(vec![Step::Broker(broker, BrokerAction::LosePower { flushed: 0 })], Some(lasts));
        }
        add_all(vec![Step::Broker(broker, BrokerAction::Stop)], Some(brief));
        add_all(vec![Step::Broker(broker, BrokerAction::Pause)], Some(long));
    }
    for application in &scenario.applications {
        let name = &application.name;
        add_all(vec![Step::Link(LinkEnds::Client(name.clone(), None), LinkAction::Hold)], Some(long));
    }
    for follower in &topic.replicas {
        for leader in topic.replicas.iter().filter(|leader| *leader != follower) {
            add_all(
                vec![Step::Link(LinkEnds::Replication(*follower, *leader), LinkAction::Hold)],
                Some(long),
            );
        }
    }
    for broker in &topic.replicas {
        add_all(vec![Step::Link(LinkEnds::Controller(*broker), LinkAction::Hold)], Some(long));
    }
    for broker in &topic.replicas {
        add_all(vec![Step::Topic(topic.name.clone(), TopicAction::MoveLeader { to: *broker })], None);
    }
    for process in processes(scenario) {
        // Its crash ends a transforming application's consumer as well, and its restart begins both.
        add_all(vec![Step::Client(process[0].to_owned(), ClientAction::Crash)], Some(brief));
        let pause = |name: &&str| Step::Client((*name).to_owned(), ClientAction::Pause);
        add_all(process.iter().map(pause).collect(), Some(lengths.past_transactions.unwrap_or(long)));
    }
    lines
}

/// The client processes: a producer, a consumer, or a transforming application's producer with its consumer.
fn processes(scenario: &Scenario) -> Vec<Vec<&str>> {
    let consumer_of = |known: &ApplicationDeclaration| match &known.program {
        Some(Program::Transform { consumer, .. }) => Some(consumer.clone()),
        _ => None,
    };
    let transformed: Vec<String> = scenario.applications.iter().filter_map(consumer_of).collect();
    let own = scenario.applications.iter().filter(|known| !transformed.contains(&known.name));
    own.map(|known| {
        let consumer = match &known.program {
            Some(Program::Transform { consumer, .. }) => Some(consumer.as_str()),
            _ => None,
        };
        std::iter::once(known.name.as_str()).chain(consumer).collect()
    })
    .collect()
}

/// The kinds by their names, separated by commas; `network` stands for both that the network has.
///
/// # Errors
/// The name that is none.
pub fn kinds(text: &str) -> Result<Kinds, String> {
    let mut kinds = Kinds::NONE;
    for name in text.split(',') {
        kinds = match Kind::by_name(name) {
            Some(kind) => kinds.with(kind),
            None if name == "network" => kinds.and(Kinds::NETWORK),
            None => {
                let known = Kind::ALL.map(Kind::name).join(", ");
                return Err(format!(
                    "no kind of fault '{name}': {known}, and network for the first two, are known"
                ));
            }
        };
    }
    Ok(kinds)
}
