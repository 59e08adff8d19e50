//! Everything at one instant: a fold of the first entries of a trace.

use crate::engine::kafka::error::{ErrorCode, Exception};
use crate::engine::kafka::event::*;
use crate::engine::kafka::network::MessageId;
use crate::engine::kafka::record::{MarkerKind, Payload};
use crate::engine::kafka::types::*;
use crate::engine::script::ClientConfig;
use crate::engine::sim::time::Time;
use crate::view::chunked::Chunked;
use crate::view::lanes::Life;
use crate::view::story::{Entry, Story};

mod coordinators;
mod fold;
mod history;
mod replica;
#[cfg(test)]
mod tests;

pub use crate::engine::check::Status;
pub use coordinators::Coordinated;
pub use history::History;
pub use replica::Replica;

/// What a place in a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// An application's record.
    Record(RecordId),
    /// The end of a transaction.
    Marker(MarkerKind),
    /// `__consumer_offsets`: a committed offset.
    Offset {
        /// Whose.
        group: GroupId,
        /// Of which partition.
        partition: PartitionId,
        /// The next offset to read.
        offset: Offset,
    },
    /// `__consumer_offsets`: a group's generation.
    Group(GroupId, i32),
    /// `__transaction_state`
    Transaction(TransactionalId, TransactionState),
}

impl Content {
    /// What a record of a log holds.
    pub fn of(payload: &Payload) -> Content {
        match *payload {
            Payload::Record(record) => Content::Record(record),
            Payload::OffsetCommit { group, partition, offset, .. } => {
                Content::Offset { group, partition, offset }
            }
            Payload::GroupMetadata { group, generation, .. } => Content::Group(group, generation),
            Payload::Transaction(transaction) => {
                Content::Transaction(transaction.transactional_id, transaction.state)
            }
        }
    }
}

/// One offset of one replica's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCell {
    /// Its offset.
    pub offset: Offset,
    /// The first offset of its batch.
    pub base_offset: Offset,
    /// The epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    /// Who wrote it; `NO_PRODUCER_ID` without idempotence.
    pub producer_id: ProducerId,
    /// That producer's epoch; -1: none.
    pub producer_epoch: ProducerEpoch,
    /// Its sequence; -1: none.
    pub sequence: Sequence,
    /// What it holds.
    pub content: Content,
    /// Whether that counts.
    pub status: Status,
    /// An earlier offset of this log held a valid copy of the same record when this was appended.
    pub further_copy: bool,
}

/// A broker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BrokerState {
    /// How its process is.
    pub life: Life,
    /// The controller has fenced it.
    pub fenced: bool,
    /// Its replicas, by `PartitionId`; none where it holds no copy.
    pub replicas: Vec<Option<Replica>>,
    /// What its coordinators know.
    pub coordinated: Coordinated,
}

/// A partition, as the controller knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionState {
    /// Its leader; none while it is offline.
    pub leader: Option<BrokerId>,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The partition epoch.
    pub partition_epoch: i32,
    /// The in-sync replicas.
    pub isr: BrokerSet,
    /// The eligible leader replicas.
    pub elr: BrokerSet,
    /// All replicas.
    pub replicas: BrokerSet,
    /// The last leader that there was.
    pub last_leader: Option<BrokerId>,
}

/// Where a record is that has no answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// In the accumulator.
    Queued,
    /// In a request that has no answer yet.
    InFlight {
        /// The request.
        message: MessageId,
        /// To whom.
        to: Node,
        /// The how many-th sending, from 1.
        attempt: u32,
    },
    /// Waiting to be sent again.
    Retrying {
        /// The number of the next attempt.
        attempt: u32,
        /// What went wrong.
        error: ErrorCode,
        /// Not before.
        not_before: Time,
    },
}

/// A record that a producer still has to bring home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingRecord {
    /// Which.
    pub record: RecordId,
    /// Where it goes.
    pub partition: PartitionId,
    /// Where it is.
    pub progress: Progress,
}

/// A producing application: its present client instance.
#[derive(Clone, Debug, PartialEq)]
pub struct ProducerState {
    /// Its client instance; none before the first.
    pub client: Option<ClientId>,
    /// How its process is.
    pub life: Life,
    /// Its producer id; -1: none.
    pub producer_id: ProducerId,
    /// Its producer epoch; -1: none.
    pub producer_epoch: ProducerEpoch,
    /// Its transaction manager's state.
    pub manager: TransactionManagerState,
    /// Why the manager is in an error state.
    pub error: Option<Exception>,
    /// Records without an answer, in the order of sending.
    pub pending: Vec<PendingRecord>,
    /// The call that its application is blocked in.
    pub call: Option<Call>,
}

impl ProducerState {
    /// The requests in flight, each with its receiver, attempt and records.
    pub fn in_flight(&self) -> Vec<(MessageId, Node, u32, Vec<RecordId>)> {
        let mut requests: Vec<(MessageId, Node, u32, Vec<RecordId>)> = Vec::new();
        for pending in &self.pending {
            if let Progress::InFlight { message, to, attempt } = pending.progress {
                match requests.iter_mut().find(|request| request.0 == message) {
                    Some(request) => request.3.push(pending.record),
                    None => requests.push((message, to, attempt, vec![pending.record])),
                }
            }
        }
        requests
    }
}

/// A consuming application: its present client instance.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerState {
    /// Its client instance; none before the first.
    pub client: Option<ClientId>,
    /// How its process is.
    pub life: Life,
    /// Its group.
    pub group: Option<GroupId>,
    /// The partitions it owns.
    pub assignment: PartitionSet,
    /// The next offset that it hands out, of each partition that it has a position in.
    pub positions: Vec<(PartitionId, Offset)>,
    /// Handed out and not processed yet.
    pub in_hand: Vec<RecordId>,
    /// The call that its application is blocked in.
    pub call: Option<Call>,
}

impl ConsumerState {
    /// The position in a partition.
    pub fn position(&self, partition: PartitionId) -> Option<Offset> {
        self.positions.iter().find(|position| position.0 == partition).map(|position| position.1)
    }
}

/// An application.
#[derive(Clone, Debug, PartialEq)]
pub enum ApplicationState {
    /// It has a producer.
    Producer(ProducerState),
    /// It has a consumer.
    Consumer(ConsumerState),
}

/// A consumer group at its coordinator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupView {
    /// Its state.
    pub state: GroupState,
    /// Its generation.
    pub generation: i32,
    /// How many members it has.
    pub members: u32,
    /// Committed offsets.
    pub committed: Vec<(PartitionId, Offset)>,
    /// Offsets that wait for the end of their producer's transaction.
    pub pending: Vec<(PartitionId, Offset, ProducerId)>,
}

impl GroupView {
    /// The committed offset of a partition.
    pub fn committed(&self, partition: PartitionId) -> Option<Offset> {
        self.committed.iter().find(|committed| committed.0 == partition).map(|committed| committed.1)
    }
}

/// What is known of a record's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordState {
    /// How often an application handed it to a producer.
    pub sends: u32,
    /// How many Produce requests carried it.
    pub requests: u32,
    /// The producer was last told that it is stored.
    pub acknowledged: bool,
    /// It was sent without asking for an answer (`acks=0`).
    pub unasked: bool,
    /// The producer was last told that it failed.
    pub failed: bool,
    /// How often `poll()` handed it out.
    pub deliveries: u32,
    /// How often it was processed.
    pub processed: u32,
    /// How often it took effect in a sink.
    pub effects: u32,
}

/// Something written to a sink, or refused there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkRow {
    /// By whom.
    pub application: ApplicationId,
    /// Which record.
    pub record: RecordId,
    /// What happened.
    pub effect: SinkEffect,
}

/// What an entry changed: shown as new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say what changed, and whose")]
pub enum Changed {
    Broker(BrokerId),
    /// Cells from an offset on were appended, ended or removed.
    Log {
        broker: BrokerId,
        partition: PartitionId,
        from: Offset,
    },
    HighWatermark(BrokerId, PartitionId),
    LastStableOffset(BrokerId, PartitionId),
    /// Leader, epoch or ISR.
    Partition(PartitionId),
    Application(ApplicationId),
    Record(RecordId),
    Transaction(TransactionalId),
    Group(GroupId),
    CommittedOffset(GroupId, PartitionId),
    Position(ApplicationId, PartitionId),
    /// The row at this place of `State::sink`.
    Sink(u32),
}

/// Everything after the first `count` entries.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// How many entries have happened.
    pub count: usize,
    /// When the last of them did.
    pub at: Time,
    /// By `BrokerId::index`.
    pub brokers: Vec<BrokerState>,
    /// By `PartitionId`.
    pub partitions: Vec<PartitionState>,
    /// By `ApplicationId`.
    pub applications: Vec<ApplicationState>,
    /// Who coordinates transactions for clients, or did so last.
    pub transaction_coordinator: Option<BrokerId>,
    /// Who coordinates groups for clients, or did so last.
    pub group_coordinator: Option<BrokerId>,
    /// By `RecordId`.
    pub records: Chunked<RecordState>,
    /// Everything that reached a sink, in order.
    pub sink: Chunked<SinkRow>,
    /// What the last step changed.
    pub changed: Vec<Changed>,
}

impl State {
    /// Before the first entry.
    pub fn initial(story: Story) -> State {
        let setup = story.setup;
        let last = |topic: &crate::engine::script::Topic| {
            topic.first_partition.index() + usize::from(topic.config.partitions)
        };
        let partition_count = setup.topics.iter().map(last).max().unwrap_or(0);
        let partitions: Vec<PartitionState> = (0..partition_count)
            .map(|index| {
                let initial = story.initial_partition(PartitionId(index as u8));
                PartitionState {
                    leader: initial.leader,
                    leader_epoch: initial.leader_epoch,
                    partition_epoch: 0,
                    isr: initial.isr,
                    elr: BrokerSet::EMPTY,
                    replicas: initial.replicas,
                    last_leader: initial.leader,
                }
            })
            .collect();
        let broker = |index: usize| {
            let id = BrokerId::from_index(index);
            let replica = |partition: &PartitionState| {
                partition.replicas.contains(id).then(|| Replica {
                    leader_epoch: -1,
                    leads: partition.leader == Some(id),
                    ..Replica::default()
                })
            };
            let coordinated = Coordinated {
                transactions: vec![None; setup.transactional_ids.len()],
                groups: vec![GroupView::default(); setup.groups.len()],
            };
            let replicas = partitions.iter().map(replica).collect();
            BrokerState { replicas, coordinated, ..BrokerState::default() }
        };
        let leader =
            |partition: PartitionId| partitions.get(partition.index()).and_then(|state| state.leader);
        State {
            count: 0,
            at: Time::ZERO,
            brokers: (0..usize::from(setup.brokers)).map(broker).collect(),
            applications: setup.applications.iter().map(|a| initial_application(&a.client)).collect(),
            transaction_coordinator: leader(PartitionId::TRANSACTION_STATE),
            group_coordinator: leader(PartitionId::CONSUMER_OFFSETS),
            records: setup.records.iter().map(|_| RecordState::default()).collect(),
            sink: Chunked::default(),
            changed: Vec::new(),
            partitions,
        }
    }

    /// A replica.
    pub fn replica(&self, broker: BrokerId, partition: PartitionId) -> Option<&Replica> {
        self.brokers.get(broker.index())?.replicas.get(partition.index())?.as_ref()
    }

    /// The log that clients would read: the leader's, or without one that of the last leader.
    pub fn leading_replica(&self, partition: PartitionId) -> Option<&Replica> {
        let state = self.partitions.get(partition.index())?;
        self.replica(state.leader.or(state.last_leader)?, partition)
    }

    /// A producing application.
    pub fn producer(&self, application: ApplicationId) -> Option<&ProducerState> {
        match self.applications.get(usize::from(application.0))? {
            ApplicationState::Producer(producer) => Some(producer),
            ApplicationState::Consumer(_) => None,
        }
    }

    /// A consuming application.
    pub fn consumer(&self, application: ApplicationId) -> Option<&ConsumerState> {
        match self.applications.get(usize::from(application.0))? {
            ApplicationState::Consumer(consumer) => Some(consumer),
            ApplicationState::Producer(_) => None,
        }
    }
}

fn initial_application(client: &ClientConfig) -> ApplicationState {
    match client {
        ClientConfig::Producer(_) => ApplicationState::Producer(ProducerState {
            client: None,
            life: Life::Down,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            manager: TransactionManagerState::default(),
            error: None,
            pending: Vec::new(),
            call: None,
        }),
        ClientConfig::Consumer { config, .. } => ApplicationState::Consumer(ConsumerState {
            client: None,
            life: Life::Down,
            group: config.group_id,
            assignment: PartitionSet::EMPTY,
            positions: Vec::new(),
            in_hand: Vec::new(),
            call: None,
        }),
    }
}
