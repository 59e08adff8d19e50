//! The words of the notation and what they stand for, for reading and for printing.

use crate::engine::kafka::message::Api;
use crate::engine::kafka::types::{Direction, IsolationLevel};
use crate::engine::script::{CommitStrategy, FaultEffect, LinkAction, ProgramPoint, Sink};

/// Words with what they stand for.
pub(super) type Vocabulary<T> = &'static [(&'static str, T)];

pub(super) const SINKS: Vocabulary<Sink> = &[
    ("none", Sink::None),
    ("insert", Sink::Insert),
    ("upsert", Sink::Upsert),
    ("with-offset", Sink::WithOffset),
    ("call", Sink::Call),
];

pub(super) const COMMITS: Vocabulary<CommitStrategy> = &[
    ("before", CommitStrategy::BeforeProcessing),
    ("after-batch", CommitStrategy::AfterBatch),
    ("after-record", CommitStrategy::AfterRecord),
    ("async", CommitStrategy::Asynchronous),
    ("automatic", CommitStrategy::Automatic),
    ("never", CommitStrategy::Never),
];

pub(super) const POINTS: Vocabulary<ProgramPoint> = &[
    ("sent", ProgramPoint::Sent),
    ("polled", ProgramPoint::Polled),
    ("processed", ProgramPoint::Processed),
    ("committed", ProgramPoint::Committed),
    ("begun", ProgramPoint::Begun),
    ("offsets-sent", ProgramPoint::OffsetsSent),
    ("transaction-committed", ProgramPoint::TransactionCommitted),
];

pub(super) const DIRECTIONS: Vocabulary<Direction> =
    &[("request", Direction::Request), ("response", Direction::Response)];

pub(super) const EFFECTS: Vocabulary<FaultEffect> = &[("cut", FaultEffect::Cut), ("hold", FaultEffect::Hold)];

pub(super) const LINK_ACTIONS: Vocabulary<LinkAction> =
    &[("hold", LinkAction::Hold), ("open", LinkAction::Open), ("cut", LinkAction::Cut)];

pub(super) const ISOLATION_LEVELS: Vocabulary<IsolationLevel> = &[
    ("read_committed", IsolationLevel::ReadCommitted),
    ("read_uncommitted", IsolationLevel::ReadUncommitted),
];

/// The requests that a producer writes.
pub(super) const PRODUCER_APIS: Vocabulary<Api> = &[
    ("Produce", Api::Produce),
    ("InitProducerId", Api::InitProducerId),
    ("AddPartitionsToTxn", Api::AddPartitionsToTxn),
    ("AddOffsetsToTxn", Api::AddOffsetsToTxn),
    ("TxnOffsetCommit", Api::TxnOffsetCommit),
    ("EndTxn", Api::EndTxn),
    ("FindCoordinator", Api::FindCoordinator),
    ("Metadata", Api::Metadata),
];

/// The requests that a consumer writes.
pub(super) const CONSUMER_APIS: Vocabulary<Api> = &[
    ("Fetch", Api::Fetch),
    ("OffsetCommit", Api::OffsetCommit),
    ("OffsetFetch", Api::OffsetFetch),
    ("ListOffsets", Api::ListOffsets),
    ("OffsetForLeaderEpoch", Api::OffsetForLeaderEpoch),
    ("JoinGroup", Api::JoinGroup),
    ("SyncGroup", Api::SyncGroup),
    ("Heartbeat", Api::Heartbeat),
    ("LeaveGroup", Api::LeaveGroup),
    ("FindCoordinator", Api::FindCoordinator),
    ("Metadata", Api::Metadata),
];

/// The word for a thing.
pub(super) fn word<T: PartialEq>(vocabulary: Vocabulary<T>, thing: &T) -> &'static str {
    vocabulary.iter().find(|(_, known)| known == thing).map_or("", |(word, _)| word)
}

/// First words of lines, which no name may be.
pub(super) const RESERVED: &[&str] = &[
    "kafka-guarantees",
    "title",
    "row",
    "near",
    "profile",
    "seed",
    "look",
    "cluster",
    "topic",
    "producer",
    "consumer",
    "program",
    "fault",
    "release",
    "link",
    "read",
    "wait",
    "at",
    "when",
    "on",
    "isr",
    "leader",
    "replicas",
    "until",
    "controller",
    "none",
];
