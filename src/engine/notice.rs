//! What a search notices of a run as it goes on: who acted since it last looked, and which things have ever happened.
//!
//! Off unless asked for. Where the kind of fact is known, the compiler decides whether it counts.

use super::kafka::event::{Call, Event, TransactionState};
use super::kafka::message::{Api, Response};
use super::kafka::record::{Arenas, Payload};
use super::kafka::types::*;
use super::sim::hash::StreamHash;
use std::hash::{Hash, Hasher};

/// A set of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nodes(u64);

/// Clients beyond this many share a place: of them it is known that one acted.
const CLIENTS: usize = 64 - 1 - BROKERS_MAX;

impl Nodes {
    /// All nodes.
    pub const ALL: Nodes = Nodes(u64::MAX);

    /// One node.
    pub const fn one(node: Node) -> Nodes {
        Nodes(match node {
            Node::Script => 0,
            Node::Controller => 1,
            Node::Broker(broker) => 1 << broker.0,
            Node::Client(client) => 2 << (BROKERS_MAX + client.0 as usize % CLIENTS),
        })
    }

    /// Whether the sets have a node in common.
    pub const fn meets(self, other: Nodes) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The places of its nodes, below [`Nodes::PLACES`].
    fn places(self) -> impl Iterator<Item = usize> {
        (0..Nodes::PLACES).filter(move |place| self.0 & 1 << place != 0)
    }

    /// How many places there are.
    const PLACES: usize = 64;

    /// The nodes of both.
    pub const fn and(self, other: Nodes) -> Nodes {
        Nodes(self.0 | other.0)
    }
}

/// Something that shows that a fault was felt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sign {
    /// A producer sent a batch again.
    SentAgain,
    /// A leader recognised a batch that it had appended before.
    DuplicateRecognised,
    /// A record's future failed.
    ReportedFailed,
    /// Another broker became the leader of a partition.
    LeaderChanged,
    /// A replica cut its log off.
    LogTruncated,
    /// A client began anew after a crash.
    ClientRestarted,
    /// A consumer was given partitions for the second time.
    AssignedAgain,
    /// A transaction was aborted.
    TransactionAborted,
    /// A call of a producer or a consumer threw.
    CallThrew,
}

impl Sign {
    /// All of them.
    pub const ALL: [Sign; 9] = [
        Sign::SentAgain,
        Sign::DuplicateRecognised,
        Sign::ReportedFailed,
        Sign::LeaderChanged,
        Sign::LogTruncated,
        Sign::ClientRestarted,
        Sign::AssignedAgain,
        Sign::TransactionAborted,
        Sign::CallThrew,
    ];

    /// What happened, as a sentence without its full stop.
    pub const fn says(self) -> &'static str {
        match self {
            Sign::SentAgain => "a producer sent a batch again",
            Sign::DuplicateRecognised => "a leader recognised a batch that it had stored before",
            Sign::ReportedFailed => "a producer was told that a record failed",
            Sign::LeaderChanged => "a partition got another leader",
            Sign::LogTruncated => "a replica cut off the end of its log",
            Sign::ClientRestarted => "a client began anew after a crash",
            Sign::AssignedAgain => "a consumer got its partitions anew",
            Sign::TransactionAborted => "a transaction was aborted",
            Sign::CallThrew => "a call threw an exception",
        }
    }
}

/// A set of signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signs(u16);

impl Signs {
    /// Whether one is in it.
    pub const fn contains(self, sign: Sign) -> bool {
        self.0 & (1 << sign as u16) != 0
    }

    /// The signs.
    pub fn iter(self) -> impl Iterator<Item = Sign> {
        Sign::ALL.into_iter().filter(move |sign| self.contains(*sign))
    }

    fn insert(&mut self, sign: Sign) {
        self.0 |= 1 << sign as u16;
    }
}

/// Who did what since a search last looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acts {
    /// Whose own state changed: a log, a coordinator, a client, an application.
    pub changed: Nodes,
    /// Who wrote a message that changes something.
    pub wrote: Nodes,
    /// Between whom a message passed that made its receiver act: both ends.
    pub passed: Nodes,
}

impl Acts {
    /// Everybody did everything.
    pub const ALL: Acts = Acts { changed: Nodes::ALL, wrote: Nodes::ALL, passed: Nodes::ALL };

    /// Whether nobody did anything.
    pub const fn is_empty(self) -> bool {
        self.changed.is_empty() && self.wrote.is_empty() && self.passed.is_empty()
    }
}

/// What was noticed.
#[derive(Clone, Debug, Default)]
pub struct Notice {
    /// Whether anything is noticed at all.
    pub(crate) on: bool,
    /// Since the search last looked.
    pub(crate) acts: Acts,
    /// Whose message the event that is being handled has brought.
    heard: Nodes,
    /// Which signs there were in the run so far.
    pub(crate) signs: Signs,
    /// Clients that had partitions assigned.
    assigned: Nodes,
    /// What every node has gone through so far.
    histories: Histories,
}

/// By the place of a node: the hash of the facts about it, in order, without times and without the numbers that messages,
/// connections and calls have.
#[derive(Clone, Debug)]
struct Histories([StreamHash; Nodes::PLACES]);

impl Default for Histories {
    fn default() -> Self {
        Histories([StreamHash::new(); Nodes::PLACES])
    }
}

/// Requests that change something where they are served, or hand out something to do. To lose another (a fetch, a
/// heartbeat, a question for metadata) only takes time.
pub const fn changes_something(api: Api) -> bool {
    matches!(
        api,
        Api::Produce
            | Api::OffsetCommit
            | Api::JoinGroup
            | Api::SyncGroup
            | Api::LeaveGroup
            | Api::InitProducerId
            | Api::AddPartitionsToTxn
            | Api::AddOffsetsToTxn
            | Api::EndTxn
            | Api::TxnOffsetCommit
    )
}

/// Whether a response is to a request that [`changes_something`].
const fn answers_a_change(response: &Response) -> bool {
    matches!(
        response,
        Response::Produce { .. }
            | Response::OffsetCommit { .. }
            | Response::JoinGroup { .. }
            | Response::SyncGroup { .. }
            | Response::LeaveGroup { .. }
            | Response::InitProducerId { .. }
            | Response::AddPartitionsToTxn { .. }
            | Response::AddOffsetsToTxn { .. }
            | Response::EndTxn { .. }
            | Response::TxnOffsetCommit { .. }
    )
}

impl Notice {
    /// Begins a run; at its start everybody has just acted.
    pub(crate) fn begin(&mut self) {
        *self = Notice { on: true, acts: Acts::ALL, ..Notice::default() };
    }

    /// The next event is another one.
    pub(crate) fn next_event(&mut self) {
        self.heard = Nodes::default();
    }

    /// Whether a fact counts.
    #[inline(always)]
    pub(crate) fn concerns(event: &Event) -> bool {
        matches!(
            event,
            Event::ClientStarted { .. }
                | Event::RecordSent { .. }
                | Event::RecordAcknowledged { .. }
                | Event::RecordFailed { .. }
                | Event::CallReturned { .. }
                | Event::RetryScheduled { .. }
                | Event::ProducerIdChanged { .. }
                | Event::PartitionsAssigned { .. }
                | Event::PartitionsRevoked { .. }
                | Event::PartitionsLost { .. }
                | Event::RecordProcessed { .. }
                | Event::SinkWritten { .. }
                | Event::RequestSent { .. }
                | Event::RequestReceived { .. }
                | Event::ResponseSent { .. }
                | Event::ResponseReceived { .. }
                | Event::BatchAppended { .. }
                | Event::DuplicateRecognised { .. }
                | Event::AppendRefused { .. }
                | Event::LogTruncated { .. }
                | Event::BecameLeader { .. }
                | Event::PartitionChanged { .. }
                | Event::TransactionChanged { .. }
                | Event::OffsetCommitted { .. }
                | Event::OffsetDecided { .. }
                | Event::GroupChanged { .. }
        )
    }

    /// Learns of a fact that [`Notice::concerns`] it.
    pub(crate) fn observe(&mut self, node: Node, event: &Event, arenas: &Arenas) {
        match *event {
            // What was on its way has arrived: its sender's death takes it back no more.
            Event::RequestReceived { from, .. } | Event::ResponseReceived { from, .. } => {
                self.heard = self.heard.and(Nodes::one(from));
                return;
            }
            Event::RequestSent { request, .. } => {
                if matches!(node, Node::Client(_)) && changes_something(request.api()) {
                    self.acts.wrote = self.acts.wrote.and(Nodes::one(node));
                    self.remember(node, event, arenas);
                }
                return;
            }
            Event::ResponseSent { to, response, .. } => {
                if matches!(to, Node::Client(_)) && answers_a_change(&response) {
                    self.acts.wrote = self.acts.wrote.and(Nodes::one(node));
                    self.remember(node, event, arenas);
                    self.pass(node);
                }
                return;
            }
            Event::CallReturned { call: Call::Poll, exception: None } => return,
            Event::ClientStarted { incarnation, .. } if incarnation > 1 => {
                self.signs.insert(Sign::ClientRestarted);
            }
            Event::CallReturned { exception: Some(_), .. } => self.signs.insert(Sign::CallThrew),
            Event::RetryScheduled { .. } => self.signs.insert(Sign::SentAgain),
            Event::DuplicateRecognised { .. } => self.signs.insert(Sign::DuplicateRecognised),
            Event::RecordFailed { .. } => self.signs.insert(Sign::ReportedFailed),
            Event::BecameLeader { leader_epoch, partition }
                if leader_epoch > 0 && partition >= PartitionId::DEFAULT =>
            {
                self.signs.insert(Sign::LeaderChanged);
            }
            Event::LogTruncated { .. } => self.signs.insert(Sign::LogTruncated),
            Event::PartitionsAssigned { partitions } if !partitions.is_empty() => {
                if self.assigned.meets(Nodes::one(node)) {
                    self.signs.insert(Sign::AssignedAgain);
                }
                self.assigned = self.assigned.and(Nodes::one(node));
            }
            Event::TransactionChanged { transaction }
                if transaction.state == TransactionState::CompleteAbort =>
            {
                self.signs.insert(Sign::TransactionAborted);
            }
            _ => {}
        }
        self.remember(node, event, arenas);
        self.acts.changed = self.acts.changed.and(Nodes::one(node));
        self.pass(node);
    }

    /// The environment does something to nodes: a fault by its number.
    pub(crate) fn struck(&mut self, nodes: Nodes, fault: u64) {
        for place in nodes.places() {
            self.histories.0[place].number(u64::MAX);
            self.histories.0[place].number(fault);
        }
    }

    /// Names what has happened so far, whenever it happened. An actor is a state machine: when the same facts, in the same
    /// order, have come to each, they are in the same states, and what follows differs by how long things take.
    pub(crate) fn fingerprint(&self) -> StreamHash {
        let mut hash = StreamHash::new();
        for history in &self.histories.0 {
            hash.number(history.value());
        }
        hash
    }

    /// Adds a fact to the history of its node, with who made it happen.
    fn remember(&mut self, node: Node, event: &Event, arenas: &Arenas) {
        let heard = self.heard;
        for place in Nodes::one(node).places() {
            let history = &mut self.histories.0[place];
            std::mem::discriminant(event).hash(history);
            history.number(heard.0);
            match *event {
                Event::ClientStarted { application, incarnation } => (application, incarnation).hash(history),
                Event::RecordSent { record, partition } => (record, partition).hash(history),
                Event::RecordAcknowledged { record, offset, .. } => (record, offset).hash(history),
                Event::RecordFailed { record, .. } | Event::RecordProcessed { record, .. } => {
                    record.hash(history)
                }
                Event::SinkWritten { record, effect } => (record, effect).hash(history),
                Event::CallReturned { call, exception } => {
                    std::mem::discriminant(&call).hash(history);
                    history.write_u8(u8::from(exception.is_some()));
                }
                Event::RetryScheduled { first_record, attempt, .. } => (first_record, attempt).hash(history),
                Event::ProducerIdChanged { producer_id, producer_epoch } => {
                    (producer_id, producer_epoch).hash(history);
                }
                Event::PartitionsAssigned { partitions }
                | Event::PartitionsRevoked { partitions }
                | Event::PartitionsLost { partitions } => {
                    partitions.iter().for_each(|partition| partition.hash(history))
                }
                Event::RequestSent { request, .. } => request.api().hash(history),
                Event::ResponseSent { to, response, .. } => {
                    to.hash(history);
                    std::mem::discriminant(&response).hash(history);
                }
                Event::BatchAppended { batch }
                | Event::DuplicateRecognised { batch }
                | Event::AppendRefused { batch, .. } => {
                    let sequence = (batch.producer_id, batch.producer_epoch, batch.base_sequence);
                    (batch.partition, batch.base_offset, batch.leader_epoch, sequence).hash(history);
                    for payload in arenas.payloads.get(batch.records) {
                        if let Payload::Record(record) = payload {
                            record.hash(history);
                        }
                    }
                }
                Event::LogTruncated { partition, to } => (partition, to).hash(history),
                Event::BecameLeader { partition, leader_epoch } => (partition, leader_epoch).hash(history),
                Event::PartitionChanged { partition, leader, leader_epoch, isr, .. } => {
                    (partition, leader, leader_epoch).hash(history);
                    isr.hash(history);
                }
                Event::TransactionChanged { transaction } => {
                    (transaction.transactional_id, transaction.state, transaction.producer_epoch)
                        .hash(history);
                }
                Event::OffsetCommitted { group, partition, offset } => {
                    (group, partition, offset).hash(history)
                }
                Event::GroupChanged { group, state, generation, members } => {
                    (group, state, generation, members).hash(history);
                }
                _ => {}
            }
        }
    }

    /// A node acts: if a message made it, that has passed.
    fn pass(&mut self, node: Node) {
        if !self.heard.is_empty() {
            self.acts.passed = self.acts.passed.and(self.heard).and(Nodes::one(node));
        }
    }
}
