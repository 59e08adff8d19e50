//! What a scenario text or a link says: configuration, applications, steps, seed, view.
//!
//! - [`read`] turns a text into a [`Scenario`] and all that is wrong with it (`parse`, `words`);
//! - `Scenario::to_text` prints it back (`print`);
//! - `Scenario::lower` resolves its names into an [`engine::script::Setup`](Setup) (`lower`).
//!
//! - `measured` makes plans of a scenario, and of a measured run the scenario that plays it; `campaign` is many of them;
//! - `explored` searches a scenario for the fewest faults, and makes of what is found the scenario that plays it;
//!   `shrink` leaves out of a scenario what it does not need to break a promise;
//! - `presets` are scenarios to start from, `edit` changes them, `link` puts them in an address.
//!
//! The notation is described in `docs/scenario-text.md`.

use crate::engine::kafka::config::{Line, Settings};
use crate::engine::kafka::message::Api;
use crate::engine::kafka::types::{BrokerId, BrokerSet, Direction, IsolationLevel, Offset};
use crate::engine::script::{
    BrokerAction, ClientConfig, CommitStrategy, FaultEffect, LinkAction, ProgramPoint, Setup, Sink,
    TopicAction,
};
use crate::engine::sim::time::{Span, Time};

pub mod campaign;
pub mod command;
mod edit;
pub mod explored;
pub mod link;
mod lower;
pub mod matrix_settings;
pub mod measured;
mod parse;
pub mod presets;
mod print;
mod profile;
pub mod shrink;
#[cfg(test)]
mod tests;
mod vocabulary;
mod words;

pub use edit::{Effective, Origin};
pub use lower::{Lowered, Note};
pub use parse::{Reading, read};
pub use words::{Problem, ProblemKind, span};

/// The version of the notation, in the first line of every text.
pub const VERSION: u32 = 1;

/// What a scenario may hold at most.
pub mod limits {
    use crate::engine::sim::time::Span;

    /// Bytes of a text.
    pub const TEXT: usize = 65_536;
    /// Lines of a text.
    pub const LINES: usize = 2_000;
    /// Steps.
    pub const STEPS: usize = 1_000;
    /// Different records, the outputs of transforming programs included.
    pub const RECORDS: u32 = 10_000;
    /// Sends by steps, each record of each step counted.
    pub const SENDS: u32 = 100_000;
    /// Producers and consumers together.
    pub const APPLICATIONS: usize = 32;
    /// Topics.
    pub const TOPICS: usize = 16;
    /// Letters of a name.
    pub const NAME: usize = 60;
    /// Bytes of a setting's value.
    pub const VALUE: usize = 300;
    /// Letters of a title.
    pub const TITLE: usize = 200;
    /// Any time that a step or a program names.
    pub const SPAN: Span = Span::seconds(48 * 3600);
    /// Bytes of a record.
    pub const SIZE: u32 = 10_000_000;
}

/// Everything that a scenario text says. Names are as written; `lower` resolves them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    /// Free text; empty: none.
    pub title: String,
    /// The row of the list of known outcomes that it stands for.
    pub row: Option<Row>,
    /// Which defaults hold.
    pub profile: Profile,
    /// The seed of every random draw.
    pub seed: u64,
    /// What the reader was looking at.
    pub look: Option<Look>,
    /// Broker-wide settings and features.
    pub cluster: Settings,
    /// Topics; the first is the default one.
    pub topics: Vec<TopicDeclaration>,
    /// Producers and consumers, in the order of declaration.
    pub applications: Vec<ApplicationDeclaration>,
    /// The steps.
    pub steps: Vec<StepLine>,
}

/// A row of the list of known outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// A neighbour of the row, not the row itself.
    pub near: bool,
    /// The row's name: `P25`.
    pub name: String,
}

/// Which defaults hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Kafka's own.
    #[default]
    Kafka,
    /// The short timeouts under which a real Kafka was recorded.
    Recorder,
}

/// What the reader was looking at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The instant.
    pub at: Time,
    /// A lane: the name of an application or a broker.
    pub lane: Option<String>,
    /// A record.
    pub record: Option<String>,
}

/// `topic t replicas=B1,B2,B3 ...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDeclaration {
    /// Its name.
    pub name: String,
    /// Each partition's replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// How many partitions.
    pub partitions: u8,
    /// What else is set.
    pub settings: Settings,
    /// Where it stands.
    pub line: Line,
}

/// `producer P ...` or `consumer C ...`, with its `program`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationDeclaration {
    /// Its name; the client.id of its first instance.
    pub name: String,
    /// Which client it has.
    pub client: Client,
    /// The client's settings.
    pub settings: Settings,
    /// What it does by itself.
    pub program: Option<Program>,
    /// Where it stands.
    pub line: Line,
    /// Where its program stands.
    pub program_line: Line,
    /// How often its `transactional.id` has been used before.
    pub first_epoch: u16,
}

/// Which client an application has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// A producer.
    Producer,
    /// A consumer.
    Consumer {
        /// What it subscribes to; none: the default topic.
        topic: Option<String>,
        /// The partitions that it takes with `assign()` in place of subscribing, counted from 0.
        assigned: Option<Vec<u8>>,
        /// Where it writes.
        sink: Sink,
    },
}

/// What an application does by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// `produce 100 every 10ms ...`
    Produce {
        /// How many records.
        count: u32,
        /// The time between two sends.
        every: Span,
        /// To which topic; none: the default topic.
        topic: Option<String>,
        /// Bytes each.
        size: u32,
        /// How many different keys the records have in turn; 0: no keys.
        keys: u32,
        /// Records whose future failed are sent again.
        resend: bool,
        /// So many records a transaction; none: no transactions.
        transaction: Option<u32>,
    },
    /// `consume commit=after-batch ...`
    Consume {
        /// When offsets are committed.
        commit: CommitStrategy,
        /// The time that processing one record takes.
        processing: Span,
    },
    /// `transform C to out ...`
    Transform {
        /// The consumer whose records it turns into others.
        consumer: String,
        /// Where the outputs go.
        topic: String,
        /// The time that processing one record takes.
        processing: Span,
    },
}

/// A step, what sets it off and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct StepLine {
    /// Where it stands.
    pub line: Line,
    /// What sets it off.
    pub trigger: Trigger,
    /// What is done.
    pub step: Step,
    /// It goes on in the background (` &`).
    pub background: bool,
    /// It is undone so long after (`for 1s`).
    pub lasts: Option<Span>,
}

/// What sets a step off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The end of the step before it.
    InOrder,
    /// `at 12.4ms`
    At(Time),
    /// `when isr t = B1`
    When(Condition),
    /// `on C processed 3`
    Point {
        /// Whose program.
        application: String,
        /// Which point of it.
        point: ProgramPoint,
        /// For the how many-th time, from 1.
        number: u32,
    },
    /// `on P Produce 3 request`
    Message {
        /// Whose message.
        application: String,
        /// Of which kind.
        api: Api,
        /// The how many-th, from 1.
        number: u32,
        /// The request or its response.
        direction: Direction,
    },
}

/// A condition on a topic's first partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `isr t = B1,B2`
    Isr(String, BrokerSet),
    /// `leader t = B2`; none: offline.
    Leader(String, Option<BrokerId>),
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `P send r0`
    Client(String, ClientAction),
    /// `B1 kill`
    Broker(BrokerId, BrokerAction),
    /// `t leader B2`
    Topic(String, TopicAction),
    /// `link B2->B1 hold`
    Link(LinkEnds, LinkAction),
    /// `fault P Produce 1 response cut`
    Fault(Fault),
    /// `release P Produce`
    Release(String, Api),
    /// `read t read_committed as before`
    Read {
        /// Which topic.
        topic: String,
        /// How.
        isolation_level: IsolationLevel,
        /// The observation's name.
        name: String,
    },
    /// `wait ...`
    Wait(Wait),
}

/// Which connections a step is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEnds {
    /// `P->B1`; none: `P->*`.
    Client(String, Option<BrokerId>),
    /// `B2->B1`: the replica fetches of the first from the second.
    Replication(BrokerId, BrokerId),
    /// `B1->controller`
    Controller(BrokerId),
}

/// A fault pinned to messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose requests.
    pub application: String,
    /// Of which kind.
    pub api: Api,
    /// The first, counted from 1.
    pub from: u32,
    /// The last.
    pub to: u32,
    /// The request or its response.
    pub direction: Direction,
    /// What happens.
    pub effect: FaultEffect,
    /// Not before so many were written.
    pub after: Option<u32>,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// `wait 2.5s`
    For(Span),
    /// `wait until 12s`
    Until(Time),
    /// `wait P settled`
    Settled(String),
    /// `wait isr t = B1,B2`, `wait leader t = none`
    Condition(Condition),
    /// `wait replicas t`
    Replicas(String),
}

/// The records of a `send`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// `r0`
    One(String),
    /// `r0..r4`
    Range {
        /// What stands before the numbers.
        prefix: String,
        /// The first number.
        first: u32,
        /// The last number.
        last: u32,
    },
}

impl Records {
    /// How many they are.
    pub fn count(&self) -> u32 {
        match self {
            Records::One(_) => 1,
            Records::Range { first, last, .. } => last.saturating_sub(*first).saturating_add(1),
        }
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let (one, range) = match self {
            Records::One(name) => (Some(name.clone()), None),
            Records::Range { prefix, first, last } => (None, Some((prefix, *first..=*last))),
        };
        let numbered =
            range.into_iter().flat_map(|(prefix, numbers)| numbers.map(move |n| format!("{prefix}{n}")));
        one.into_iter().chain(numbered)
    }
}

/// What an application does with its client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "engine::script::ClientAction says it")]
pub enum ClientAction {
    Send {
        /// Which.
        records: Records,
        /// None: the default topic.
        topic: Option<String>,
        /// Counted from 0; none: where the key goes.
        partition: Option<u8>,
        /// Bytes each.
        size: u32,
        /// None: no key.
        key: Option<String>,
        /// No deserializer can read them.
        poison: bool,
    },
    Init,
    Begin,
    CommitTransaction,
    AbortTransaction,
    Flush,
    SendOffsets {
        consumer: String,
        offset: Offset,
        group_id_only: bool,
    },
    Poll(u32),
    PollOnce,
    Process(Option<u32>),
    CommitSync(Option<Offset>),
    CommitAsync,
    Seek(Offset),
    Drain,
    Loop,
    Halt,
    Close {
        timeout: Option<Span>,
    },
    Crash,
    Restart,
    Pause,
    Resume,
}

impl Look {
    /// The start of the run.
    pub fn start() -> Look {
        Look { at: Time::ZERO, lane: None, record: None }
    }
}

impl Scenario {
    /// The declaration of a topic.
    pub fn topic(&self, name: &str) -> Option<&TopicDeclaration> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    /// The declaration of an application.
    pub fn application(&self, name: &str) -> Option<&ApplicationDeclaration> {
        self.applications.iter().find(|application| application.name == name)
    }
}

/// Whether a step can last for a while: what undoes it is known.
pub fn can_last(step: &Step) -> bool {
    parse::undo(step).is_some()
}

/// Whether a fault can be pinned to this kind of message of a client.
pub fn names_message(client: &ClientConfig, api: Api) -> bool {
    let known = match client {
        ClientConfig::Producer(_) => vocabulary::PRODUCER_APIS,
        ClientConfig::Consumer { .. } => vocabulary::CONSUMER_APIS,
    };
    known.iter().any(|(_, known)| *known == api)
}

/// Reads a text and resolves it: all that a run starts from, or all that is wrong with the text.
pub fn parse(text: &str) -> Result<Setup, Vec<Problem>> {
    let reading = read(text);
    match reading.lowered {
        Some(lowered) if reading.problems.is_empty() => Ok(lowered.setup),
        _ => Err(reading.problems),
    }
}
