//! What is drawn on the lanes: arrows, log cells, discs, faults and notes. Types only; `scene` makes them.

use crate::engine::kafka::error::ErrorCode;
use crate::engine::kafka::event::{Call, SinkEffect, TransactionState};
use crate::engine::kafka::message::Api;
use crate::engine::kafka::network::MessageId;
use crate::engine::kafka::record::MarkerKind;
use crate::engine::kafka::types::*;
use crate::engine::sim::time::Time;
use crate::engine::sim::trace::EntryId;

/// How much a mark asks for the eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prominence {
    /// Heartbeats, metadata, empty fetches: only when asked for.
    Background,
    /// Replication, rebalancing: thin and pale.
    Quiet,
    /// What the story is about.
    Main,
}

/// Something drawn, at one instant on one lane, or from one to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The fact that it draws (of an arrow: the sending).
    pub entry: EntryId,
    /// The last fact that it draws (of an arrow: the arrival or the loss); else the same.
    pub last: EntryId,
    /// When it begins.
    pub at: Time,
    /// When it ends; the same for an instant.
    pub until: Time,
    /// Where it begins (see [`super::scale::Scale`]).
    pub x: f64,
    /// Where it ends.
    pub x_end: f64,
    /// The lane on which it begins: a place in `Scene::lanes`.
    pub lane: usize,
    /// The lane on which it ends, or for which it was meant.
    pub lane_end: usize,
    /// How much it asks for the eye.
    pub prominence: Prominence,
    /// What it is.
    pub kind: MarkKind,
    /// The records that it is about, in order.
    pub records: Box<[RecordId]>,
    /// What is written at it; may be empty.
    pub label: String,
}

/// What a mark is.
#[derive(Clone, Debug, PartialEq)]
pub enum MarkKind {
    /// A request or a response under way.
    Arrow(Arrow),
    /// A record or a marker in a log.
    Cell(Cell),
    /// A record at a client, or in a sink.
    Disc(Disc),
    /// From the delivery of a record to its effect: consumer lane to sink lane.
    Effect(SinkEffect),
    /// Something done to the run from outside.
    Fault(Fault),
    /// A change that deserves a word.
    Note(Note),
    /// A call of the client that blocks its application, from beginning to end.
    Call(Call),
}

/// How an arrow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrowEnd {
    /// At the other side.
    Arrived,
    /// Lost with its connection: an X where it stopped.
    Lost,
    /// A fault kept it back to the end of the run.
    Held,
    /// It was under way when the run ended.
    UnderWay,
}

/// A request or a response under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrow {
    /// The message; a fault pinned to it names it by api and number.
    pub message: MessageId,
    /// Which of its client instance's requests of this kind, from 1; 0 for brokers.
    pub number: u32,
    /// The kind of request.
    pub api: Api,
    /// Request or response.
    pub direction: Direction,
    /// How it ends.
    pub end: ArrowEnd,
    /// How much of the way from lane to lane it made: 1 if it arrived.
    pub reach: f64,
    /// The how many-th sending of the same thing it is, from 1 (of a response: its request).
    pub attempt: u32,
    /// The error that a response reports.
    pub error: Option<ErrorCode>,
    /// Between brokers: replication.
    pub replication: bool,
    /// A fault held it for some time on its way.
    pub was_held: bool,
}

/// A later fact that changes how a cell is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The fact.
    pub entry: EntryId,
    /// When.
    pub at: Time,
    /// Where.
    pub x: f64,
}

/// What a log cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellContent {
    /// A record.
    Record(RecordId),
    /// The end of a transaction.
    Marker(MarkerKind),
}

/// A record or a marker, as a replica appended it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// The log.
    pub partition: PartitionId,
    /// Its place in the log.
    pub offset: Offset,
    /// What it holds.
    pub content: CellContent,
    /// Its place among the cells of its batch, from 0: cells appended together share one x.
    pub place: u32,
    /// How many cells its batch has.
    pub batch_len: u32,
    /// Earlier in this log there is a valid copy of the same record: drawn outlined.
    pub further_copy: bool,
    /// It belongs to a transaction.
    pub transactional: bool,
    /// Its transaction was aborted, as this replica learnt: drawn hatched from then on.
    pub aborted: Option<Change>,
    /// It was truncated, wiped or lost with the page cache: drawn as gone from then on.
    pub gone: Option<Change>,
}

/// What happened to a record at a client or a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscKind {
    /// Handed to the producer.
    Sent,
    /// The producer was told that it is stored.
    Acknowledged,
    /// The producer was told that it failed, or gave up.
    Failed,
    /// Handed out by `poll()`.
    Delivered,
    /// Processed.
    Processed,
    /// Took effect in the sink, or was refused there.
    Sink(SinkEffect),
}

/// A record at a client or in a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disc {
    /// What happened to it.
    pub kind: DiscKind,
    /// The how many-th time this happens to this record, from 1: drawn outlined from 2 on.
    pub time: u32,
}

/// What was done from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process was killed.
    Killed,
    /// A broker lost power.
    LostPower,
    /// A broker was told to stop, or a client closed.
    Stopped,
    /// A process started (again).
    Started,
    /// A process was frozen.
    Paused,
    /// A process was thawed.
    Resumed,
    /// A broker's copy is gone from its disk.
    Wiped,
    /// Connections were cut.
    LinkCut,
    /// Nothing passes.
    LinkHeld,
    /// Everything passes again.
    LinkOpened,
    /// A setting was changed.
    SettingChanged,
}

/// A change that deserves a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A new leader; `unclean`: one that lacked records.
    Leader {
        /// Its epoch.
        leader_epoch: LeaderEpoch,
        /// What it lacks is lost.
        unclean: bool,
    },
    /// No leader.
    Offline,
    /// The ISR changed.
    Isr,
    /// The controller fenced a broker, or let it in again.
    Fenced {
        /// Fenced, or in again.
        fenced: bool,
    },
    /// A leader or follower cut off its log.
    Truncated,
    /// A leader recognised a batch as a duplicate.
    DuplicateRecognised,
    /// A leader refused a batch.
    Refused(ErrorCode),
    /// A client gave up a request.
    TimedOut,
    /// A batch will be sent again.
    Retry,
    /// A batch passed `delivery.timeout.ms`.
    Expired,
    /// A producer got its producer id, or the next epoch.
    ProducerId,
    /// A transaction changed its state at its coordinator.
    Transaction(TransactionState),
    /// A committed offset took effect.
    OffsetCommitted,
    /// An offset waits for its transaction's end.
    OffsetPending,
    /// A group changed.
    Group,
    /// A consumer's position moved without records.
    Position,
    /// A consumer was given or lost partitions.
    Assignment,
    /// A call threw.
    Threw,
    /// The high watermark or last stable offset moved.
    Watermark,
}
