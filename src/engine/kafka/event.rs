//! Everything that a trace can say: one closed enum of facts in the past tense.
//!
//! Timeline, narration, log lines, metrics, checks and exports are folds of these. Folding them
//! rebuilds all of the final `World` that is ever shown.

use super::error::{ErrorCode, Exception};
use super::message::{Request, Response};
use super::network::{ConnectionId, LinkEnds, MessageId};
use super::record::{Batch, MarkerKind};
use super::types::*;
use crate::engine::sim::time::{Span, Time};

/// A blocking call of the Java client, as the recordings name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
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
    /// `close()`, of a producer or a consumer
    Close,
    /// `sendOffsetsToTransaction()`
    SendOffsets,
    /// `commitSync()`, or `commitAsync()` whose callback has run
    CommitOffsets {
        /// `commitAsync`
        asynchronous: bool,
    },
    /// `poll()`
    Poll,
}

/// The states of a producer's transaction manager (`TransactionManager.State`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "Kafka's names say it")]
pub enum TransactionManagerState {
    #[default]
    Uninitialized,
    Initializing,
    Ready,
    InTransaction,
    CommittingTransaction,
    AbortingTransaction,
    AbortableError,
    FatalError,
}

/// The states of a transactional id at its coordinator (`TransactionState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "Kafka's names say it")]
pub enum TransactionState {
    Empty,
    Ongoing,
    PrepareCommit,
    PrepareAbort,
    CompleteCommit,
    CompleteAbort,
    Dead,
    PrepareEpochFence,
}

/// What the coordinator knows of a transactional id, and what a record of `__transaction_state`
/// holds (`TransactionMetadata`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionMetadata {
    /// Whose.
    pub transactional_id: TransactionalId,
    /// The current producer id.
    pub producer_id: ProducerId,
    /// The one before it; -1: none.
    pub previous_producer_id: ProducerId,
    /// The one after it, while an epoch overflows; -1: none.
    pub next_producer_id: ProducerId,
    /// The current epoch.
    pub producer_epoch: ProducerEpoch,
    /// The epoch before it; -1: none.
    pub last_producer_epoch: ProducerEpoch,
    /// `transaction.timeout.ms`
    pub timeout: Span,
    /// Its state.
    pub state: TransactionState,
    /// The partitions in the transaction, `__consumer_offsets` among them.
    pub partitions: PartitionSet,
    /// When the first partition was added; none outside a transaction.
    pub started_at: Option<Time>,
    /// When it last changed.
    pub updated_at: Time,
    /// The transaction version that its client uses.
    pub transaction_version: u8,
}

/// The states of a consumer group (`ClassicGroupState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "Kafka's names say it")]
pub enum GroupState {
    #[default]
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
    Dead,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionEnd {
    /// A fault cut it: reset for both ends.
    Cut,
    /// The process at the other end died, or was not there.
    PeerGone,
    /// Its client gave it up after `request.timeout.ms`.
    TimedOut,
    /// One end closed it in the normal course.
    Closed,
}

/// Why a consumer's position moved without records being returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PositionChange {
    /// To the committed offset.
    Committed,
    /// To where `auto.offset.reset` says.
    Reset,
    /// By `seek()`, and with it the application drops what it has in hand.
    Seek,
    /// By `seek()` of a rebalance listener, to the offset that the sink has stored.
    Stored,
    /// Back to where the log parts from what was read (KIP-320).
    Truncated,
    /// Over records that are not handed out: markers, aborted records.
    Skipped,
}

/// What an application does to the outside world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SinkEffect {
    /// A new row.
    Inserted,
    /// A row with this name was there already and was replaced by the same (upsert).
    Replaced,
    /// The stored offset said that it had been done: nothing was written.
    Refused,
    /// A call that can't be taken back, such as an e-mail.
    Called,
}

/// A fact. The entry's actor says whom it happened to.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "fields are named after the domain; each fact says what they are")]
pub enum Event {
    // ---- the script ------------------------------------------------------------------------
    /// A step of the script began: its place in `Setup::script`.
    StepBegan { step: u32 },
    /// A step that blocks ended.
    StepEnded { step: u32 },
    /// Nothing passes through these links until they open.
    LinkHeld { link: LinkEnds },
    /// The links are open again.
    LinkOpened { link: LinkEnds },
    /// The links' connections were cut.
    LinkCut { link: LinkEnds },
    /// A setting of a topic was changed.
    TopicMinInsyncReplicasSet { topic: TopicId, value: u32 },
    /// The script's last step was done; from here on clients are not observed.
    ScriptEnded,

    // ---- applications and clients ----------------------------------------------------------
    /// A client instance started.
    ClientStarted { application: ApplicationId, incarnation: u32 },
    /// A client's process died.
    ClientCrashed,
    /// A client closed.
    ClientClosed,
    /// A client's process was frozen.
    ClientPaused,
    /// A client's process was thawed.
    ClientResumed,
    /// An application handed a record to its producer.
    RecordSent { record: RecordId, partition: PartitionId },
    /// `send()` threw; `waited`: after it had blocked, so that the hand-over was told before.
    SendThrew { record: RecordId, exception: Exception, waited: bool },
    /// A record's future succeeded; -1 as offset with acks=0.
    RecordAcknowledged { record: RecordId, partition: PartitionId, offset: Offset },
    /// A record's future failed.
    RecordFailed { record: RecordId, partition: PartitionId, exception: Exception },
    /// A call that may block began.
    CallBegan { call: Call },
    /// A call returned, or threw.
    CallReturned { call: Call, exception: Option<Exception> },
    /// A batch will be sent again: as attempt number `attempt` (the first retry is 2), not before `at`.
    RetryScheduled {
        partition: PartitionId,
        first_record: RecordId,
        attempt: u32,
        error: ErrorCode,
        at: Time,
    },
    /// A batch passed `delivery.timeout.ms`.
    BatchExpired { partition: PartitionId, first_record: RecordId, attempts: u32 },
    /// A producer got its producer id and epoch, or bumped the epoch by itself.
    ProducerIdChanged { producer_id: ProducerId, producer_epoch: ProducerEpoch },
    /// A producer's transaction manager changed its state.
    TransactionManagerChanged { state: TransactionManagerState, error: Option<Exception> },
    /// A consumer was given partitions (`onPartitionsAssigned`).
    PartitionsAssigned { partitions: PartitionSet },
    /// A consumer gave up partitions in good order (`onPartitionsRevoked`).
    PartitionsRevoked { partitions: PartitionSet },
    /// A consumer lost partitions (`onPartitionsLost`).
    PartitionsLost { partitions: PartitionSet },
    /// A consumer's position moved without records being handed out.
    PositionMoved { partition: PartitionId, offset: Offset, why: PositionChange },
    /// `poll()` handed out a record; the position is now `offset` + 1.
    RecordDelivered { record: RecordId, partition: PartitionId, offset: Offset },
    /// An application finished processing a record: the one after so many in hand. That is the next, unless a loop or a
    /// drain processes what it has just polled, past what was in hand before.
    RecordProcessed { record: RecordId, past: u32 },
    /// The sink of an application.
    SinkWritten { record: RecordId, effect: SinkEffect },

    // ---- the network -----------------------------------------------------------------------
    /// A connection was opened by the actor.
    ConnectionOpened { connection: ConnectionId, to: Node },
    /// A connection ended, as the actor (one of its ends) noticed.
    ConnectionEnded { connection: ConnectionId, why: ConnectionEnd },
    /// A request left; `number` counts this client instance's requests of this kind, from 1.
    RequestSent { message: MessageId, connection: ConnectionId, to: Node, number: u32, request: Request },
    /// The actor (a broker or the controller) took up a request.
    RequestReceived { message: MessageId, from: Node },
    /// A response left.
    ResponseSent { message: MessageId, to: Node, response: Response },
    /// The actor read a response.
    ResponseReceived { message: MessageId, from: Node },
    /// A request or response was lost with its connection.
    MessageLost { message: MessageId, direction: Direction, arrived: bool },
    /// A fault keeps a request or response back.
    MessageHeld { message: MessageId, direction: Direction },
    /// What was kept back goes on.
    MessageReleased { message: MessageId, direction: Direction },
    /// A client's request passed `request.timeout.ms`.
    RequestTimedOut { message: MessageId },

    // ---- brokers and logs ------------------------------------------------------------------
    /// A broker's process started.
    BrokerStarted,
    /// A broker's process was killed; the page cache survives.
    BrokerKilled,
    /// A broker began a controlled shutdown.
    BrokerStopping,
    /// A broker ended in good order.
    BrokerStopped,
    /// A broker lost power: of each log only what was flushed survives.
    BrokerLostPower,
    /// A broker's process was frozen.
    BrokerPaused,
    /// A broker's process was thawed.
    BrokerResumed,
    /// A broker's copy of a topic is gone from its disk.
    LogWiped { partition: PartitionId },
    /// A leader or a follower appended a batch.
    BatchAppended { batch: Batch },
    /// A leader recognised a batch that it had appended before (`base_offset` is the original's).
    DuplicateRecognised { batch: Batch },
    /// A leader refused a batch; nothing was written.
    AppendRefused { batch: Batch, error: ErrorCode },
    /// A replica's high watermark moved.
    HighWatermarkMoved { partition: PartitionId, to: Offset },
    /// A replica's last stable offset moved.
    LastStableOffsetMoved { partition: PartitionId, to: Offset },
    /// A replica cut its log off at an offset.
    LogTruncated { partition: PartitionId, to: Offset },
    /// A replica's log now starts here (deleted records, or a restart of the copy).
    LogStartMoved { partition: PartitionId, to: Offset },
    /// A broker learnt that it leads a partition.
    BecameLeader { partition: PartitionId, leader_epoch: LeaderEpoch },
    /// A broker learnt that it follows.
    BecameFollower { partition: PartitionId, leader_epoch: LeaderEpoch, leader: Option<BrokerId> },
    /// A replica forgot an idle producer.
    ProducerStateExpired { partition: PartitionId, producer_id: ProducerId },

    // ---- the controller --------------------------------------------------------------------
    /// A broker registered.
    BrokerRegistered { broker: BrokerId, broker_epoch: i64 },
    /// A broker was fenced: it missed its session, or stopped.
    BrokerFenced { broker: BrokerId },
    /// A broker may lead and join ISRs again.
    BrokerUnfenced { broker: BrokerId },
    /// Leader, ISR or ELR of a partition changed.
    PartitionChanged {
        partition: PartitionId,
        leader: Option<BrokerId>,
        leader_epoch: LeaderEpoch,
        partition_epoch: i32,
        isr: BrokerSet,
        elr: BrokerSet,
        /// The leader was not in the ISR or the ELR: what it lacks is lost.
        unclean: bool,
    },

    // ---- coordinators (on the broker that coordinates) --------------------------------------
    /// The coordinator of transactions loaded `__transaction_state` and serves.
    TransactionCoordinatorLoaded { coordinator_epoch: i32 },
    /// A transactional id changed its state, durably.
    TransactionChanged { transaction: TransactionMetadata },
    /// Markers are on their way to a broker.
    MarkersSent { transactional_id: TransactionalId, kind: MarkerKind, partitions: PartitionSet },
    /// The coordinator of groups loaded `__consumer_offsets` and serves.
    GroupCoordinatorLoaded { coordinator_epoch: i32 },
    /// A group changed.
    GroupChanged { group: GroupId, state: GroupState, generation: i32, members: u32 },
    /// A member was removed for silence.
    MemberExpired { group: GroupId, member: MemberId },
    /// A committed offset took effect; -1: it expired.
    OffsetCommitted { group: GroupId, partition: PartitionId, offset: Offset },
    /// An offset waits for its transaction's marker.
    OffsetPending { group: GroupId, partition: PartitionId, offset: Offset, producer_id: ProducerId },
    /// The marker of its transaction has come: an offset waits no more. If it was committed and nobody has committed
    /// since it was written, it takes effect.
    OffsetDecided { group: GroupId, partition: PartitionId, producer_id: ProducerId },
}

impl Event {
    /// Messages on their way and records in logs: they bring no program to rest.
    pub(crate) const fn is_traffic(&self) -> bool {
        matches!(
            self,
            Event::RequestSent { .. }
                | Event::RequestReceived { .. }
                | Event::ResponseSent { .. }
                | Event::ResponseReceived { .. }
                | Event::BatchAppended { .. }
                | Event::HighWatermarkMoved { .. }
                | Event::LastStableOffsetMoved { .. }
        )
    }
}
