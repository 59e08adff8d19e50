//! What happens to a run from outside, in order, and all that a run starts from.
//!
//! Names are resolved: the scenario text, its parser and its wording live in `scenario`.

use super::kafka::config::{ClusterConfig, ConsumerConfig, ProducerConfig, TopicConfig};
use super::kafka::message::Api;
use super::kafka::network::LinkEnds;
use super::kafka::types::*;
use super::sim::time::{Span, Time};

/// Everything that a run starts from. Two runs of equal setups are equal, bit for bit.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// The seed of every random draw.
    pub seed: u64,
    /// Brokers, controller, features.
    pub cluster: ClusterConfig,
    /// How many brokers there are, at most `BROKERS_MAX`.
    pub brokers: u8,
    /// Topics; the first two are `__consumer_offsets` and `__transaction_state`, the third is the default.
    pub topics: Vec<Topic>,
    /// Applications with their clients.
    pub applications: Vec<Application>,
    /// The names of all records, by `RecordId`.
    pub records: Vec<Record>,
    /// The names of transactional ids, by `TransactionalId`.
    pub transactional_ids: Vec<String>,
    /// The names of groups, by `GroupId`.
    pub groups: Vec<String>,
    /// The names of static members, by `InstanceId`.
    pub instances: Vec<String>,
    /// The steps.
    pub script: Vec<ScriptLine>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its settings; its `partitions` are all that it ever has.
    pub config: TopicConfig,
    /// Its first partition; the others follow.
    pub first_partition: PartitionId,
    /// How many partitions it has at the start.
    pub partitions_at_start: u8,
}

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its key, where it has one.
    pub key: Option<String>,
    /// No deserializer can read it.
    pub poison: bool,
}

/// A declared application: a producer or a consumer, with its program if it runs one.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    /// Its name; the client.id of its first instance.
    pub name: String,
    /// Its client.
    pub client: ClientConfig,
    /// What it does by itself; none: only what the steps say.
    pub program: Option<Program>,
    /// The epoch that the first `initTransactions()` with its `transactional.id` gets: it has been used so
    /// often before.
    pub first_epoch: ProducerEpoch,
}

/// An application's client.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientConfig {
    /// A producer.
    Producer(ProducerConfig),
    /// A consumer of one topic, with its sink.
    Consumer {
        /// Its settings.
        config: ConsumerConfig,
        /// What it reads.
        topic: TopicId,
        /// The partitions that it takes with `assign()`; none: it subscribes to the topic.
        assigned: Option<PartitionSet>,
        /// Where it writes.
        sink: Sink,
    },
}

/// Where a consuming application writes what it processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sink {
    /// Nowhere.
    #[default]
    None,
    /// A new row for each.
    Insert,
    /// A row for each name.
    Upsert,
    /// A row and the next offset in one database transaction, on condition that the stored offset
    /// is the expected one; a restart continues from the stored offset.
    WithOffset,
    /// A call that can't be taken back, such as an e-mail.
    Call,
}

/// A step with its place in the text and what sets it off.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptLine {
    /// The line of the scenario text, from 1; 0: not from a text.
    pub line: u32,
    /// What sets it off.
    pub trigger: Trigger,
    /// The step as written, for the list of calls (`P commit`).
    pub text: String,
    /// It goes on in the background.
    pub background: bool,
    /// What is done.
    pub step: Step,
}

/// What sets a step off. Steps that are not in order are armed from the start of the run, do not hold
/// up the others, and happen at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The end of the step before it.
    InOrder,
    /// An instant of virtual time.
    At(Time),
    /// So long after another step happened; never, if that one never happens. It undoes what that one
    /// did (`C crash for 1s`).
    After {
        /// The other step: its place in `Setup::script`, before this one.
        step: u32,
        /// How long after.
        span: Span,
    },
    /// A condition on a topic's first partition becomes true.
    When(Condition),
    /// An application's program reaches a point.
    Point {
        /// Whose program.
        application: ApplicationId,
        /// Which point.
        point: ProgramPoint,
        /// For the how many-th time, from 1.
        number: u32,
    },
    /// A client's message passes: a request when the broker takes it up, a response when the broker
    /// has written it.
    Message {
        /// Whose request.
        application: ApplicationId,
        /// Of which kind.
        api: Api,
        /// The how many-th of the client instance, from 1.
        number: u32,
        /// The request or its response.
        direction: Direction,
    },
    /// Nothing by itself: a search may, with [`World::strike`](super::world::World::strike).
    Chosen,
}

/// A condition on a topic's first partition, as the controller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The ISR is exactly this.
    Isr(TopicId, BrokerSet),
    /// The leader is this; none: offline.
    Leader(TopicId, Option<BrokerId>),
}

/// A point of a program: the instant after something is done, before the next thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProgramPoint {
    /// A record was handed to the producer.
    Sent,
    /// A record was handed out by `poll()`.
    Polled,
    /// A record was processed (and written to the sink, where there is one).
    Processed,
    /// An offset commit returned.
    Committed,
    /// A transaction began.
    Begun,
    /// The offsets were added to the transaction.
    OffsetsSent,
    /// `commitTransaction()` returned.
    TransactionCommitted,
}

/// What an application does by itself, from its start to the end of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Sends records at a rate.
    Produce {
        /// The first record; the others follow.
        first: RecordId,
        /// How many.
        count: u32,
        /// The time between two sends.
        every: Span,
        /// To which topic; the key, or else the partitioner, says which partition.
        topic: TopicId,
        /// Bytes each.
        size: u32,
        /// Records whose future failed are sent again.
        resend: bool,
        /// So many records a transaction; none: no transactions.
        transaction: Option<u32>,
    },
    /// Polls, processes, commits. Runs again from the committed offset after a restart.
    Consume {
        /// When offsets are committed.
        commit: CommitStrategy,
        /// The time that processing one record takes.
        processing: Span,
    },
    /// Consume, transform, produce: polls with `consumer`, sends one output for each record, sends the
    /// offsets in the transaction and commits it. After a failure: abort and rewind, or a new instance.
    Transform {
        /// The consumer that it polls.
        consumer: ApplicationId,
        /// Where the outputs go.
        topic: TopicId,
        /// The output record of input record `n` is `first_output + n`.
        first_output: RecordId,
        /// The time that processing one record takes.
        processing: Span,
    },
}

/// When a consuming program commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommitStrategy {
    /// `commitSync()` of what a poll returned, before it is processed.
    BeforeProcessing,
    /// `commitSync()` after all that a poll returned is processed.
    AfterBatch,
    /// `commitSync()` after each record.
    AfterRecord,
    /// `commitAsync()` after all that a poll returned is processed.
    Asynchronous,
    /// `enable.auto.commit=true`: the program commits nothing by itself.
    Automatic,
    /// Never (the sink keeps the offset).
    Never,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// An application does something with its client.
    Client {
        /// Whose.
        application: ApplicationId,
        /// What.
        action: ClientAction,
    },
    /// Something is done to a broker.
    Broker {
        /// Which.
        broker: BrokerId,
        /// What.
        action: BrokerAction,
    },
    /// Something is done to a topic.
    Topic {
        /// Which.
        topic: TopicId,
        /// What.
        action: TopicAction,
    },
    /// Something is done to links.
    Link {
        /// Which.
        link: LinkEnds,
        /// What.
        action: LinkAction,
    },
    /// A fault pinned to messages, in force from here on.
    Fault(MessageFault),
    /// Ends the `hold` faults of a client's kind of request that have no `after`.
    Release {
        /// Whose requests.
        application: ApplicationId,
        /// Of which kind.
        api: Api,
    },
    /// Reads a topic with a new consumer; the list is an observation.
    Read {
        /// What.
        topic: TopicId,
        /// How.
        isolation_level: IsolationLevel,
        /// Under which name.
        name: String,
    },
    /// Waits.
    Wait(Wait),
}

impl Step {
    /// The application whose client a step starts, if it does not run yet.
    pub fn starts(&self) -> Option<ApplicationId> {
        match self {
            Step::Client { application, action } if *action != ClientAction::Restart => Some(*application),
            Step::Fault(fault) => Some(fault.application),
            Step::Link { link: LinkEnds::Client(application, _), .. } => Some(*application),
            Step::Wait(Wait::Settled(application)) => Some(*application),
            _ => None,
        }
    }
}

/// What an application can do.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientAction {
    /// Hands records to the producer, without blocking.
    Send {
        /// Which.
        records: Vec<RecordId>,
        /// To which partition of which topic: none: where the key goes.
        partition: Option<PartitionId>,
        /// To which topic.
        topic: TopicId,
        /// Bytes each.
        size: u32,
    },
    /// `initTransactions()`
    Init,
    /// `beginTransaction()`
    Begin,
    /// `commitTransaction()`
    CommitTransaction,
    /// `abortTransaction()`
    AbortTransaction,
    /// `flush()`
    Flush,
    /// `sendOffsetsToTransaction()`
    SendOffsets {
        /// The consumer whose topic and group it is.
        consumer: ApplicationId,
        /// The next offset to read.
        offset: Offset,
        /// Only the group's id, not its member: zombies are not fenced.
        group_id_only: bool,
    },
    /// Polls of 50 ms until so many more records are in hand, 9 s at most.
    Poll {
        /// How many.
        records: u32,
    },
    /// One poll of 300 ms.
    PollOnce,
    /// Processes the next records in hand; none: all.
    Process {
        /// How many.
        records: Option<u32>,
    },
    /// `commitSync()` of the position, or of an offset.
    CommitSync {
        /// The offset.
        offset: Option<Offset>,
    },
    /// `commitAsync()` of the position, then one poll of 300 ms.
    CommitAsync,
    /// `seek()`; nothing is in hand any more.
    Seek {
        /// Where to.
        offset: Offset,
    },
    /// Polls and processes until 2 s pass without a record while it has an assignment, 9 s at most.
    Drain,
    /// Polls and processes in the background.
    Loop,
    /// Ends `Loop`.
    Halt,
    /// `close(timeout)`
    Close {
        /// After so long what is not done fails; none: 5 s for a producer, 2 s for a consumer.
        timeout: Option<Span>,
    },
    /// The process dies.
    Crash,
    /// A new instance with the same settings.
    Restart,
    /// The process is frozen.
    Pause,
    /// The process is thawed.
    Resume,
}

/// What can be done to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerAction {
    /// The process is killed; the page cache survives.
    Kill,
    /// The process starts.
    Start,
    /// A clean stop.
    Stop,
    /// The default topic's files are lost; the broker must be down.
    Wipe,
    /// The process is frozen; its connections stay open.
    Pause,
    /// The process is thawed.
    Resume,
    /// Killed, and of the default topic only the first records had been flushed.
    LosePower {
        /// How many.
        flushed: u32,
    },
}

/// What can be done to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicAction {
    /// Leadership moves by reassignment and preferred election.
    MoveLeader {
        /// Where to.
        to: BrokerId,
    },
    /// `min.insync.replicas` changes.
    SetMinInsyncReplicas(u32),
    /// `unclean.leader.election.enable` changes.
    SetUncleanLeaderElection(bool),
    /// Partitions are added.
    SetPartitions {
        /// How many there are then.
        count: u8,
    },
    /// Records before an offset are deleted.
    DeleteRecords {
        /// The first that stays.
        before: Offset,
    },
}

/// What can be done to links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkAction {
    /// Nothing passes, either way; nothing is closed.
    Hold,
    /// Everything passes again.
    Open,
    /// Connections are closed now; new ones are allowed.
    Cut,
}

/// A fault pinned to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageFault {
    /// Whose requests.
    pub application: ApplicationId,
    /// Of which kind.
    pub api: Api,
    /// The first one, counted from 1 as the client instance writes them.
    pub from: u32,
    /// The last one.
    pub to: u32,
    /// The request or its response.
    pub direction: Direction,
    /// What happens to it.
    pub effect: FaultEffect,
    /// Not before the client has written so many of them; for a hold: passes when so many are written.
    pub after: Option<u32>,
}

/// What happens to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultEffect {
    /// Its connection is reset.
    Cut,
    /// It is kept back, and everything behind it on its connection in its direction.
    Hold,
}

/// What a script waits for, 60 s at most.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// A span.
    For(Span),
    /// An instant of virtual time.
    Until(Time),
    /// Every record sent by an application so far has its answer.
    Settled(ApplicationId),
    /// The ISR of a topic's first partition.
    Isr(TopicId, BrokerSet),
    /// The leader of a topic's first partition; none: offline.
    Leader(TopicId, Option<BrokerId>),
    /// All replicas of a topic are in sync.
    Replicas(TopicId),
}
