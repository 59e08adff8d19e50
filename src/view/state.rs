//! Everything at one instant: a fold of the first entries of a trace.

use crate::engine::kafka::error::{ErrorCode, Exception};
use crate::engine::kafka::event::*;
use crate::engine::kafka::message::Request;
use crate::engine::kafka::network::MessageId;
use crate::engine::kafka::record::{Batch, BatchKind, MarkerKind, Payload};
use crate::engine::kafka::types::*;
use crate::engine::script::ClientConfig;
use crate::engine::sim::time::Time;
use crate::view::chunked::Chunked;
use crate::view::lanes::Life;
use crate::view::story::{Entry, Story};

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

/// Whether what a log holds counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Outside any transaction.
    Plain,
    /// Its transaction is open.
    Open,
    /// Its transaction was committed.
    Committed,
    /// Its transaction was aborted.
    Aborted,
    /// A marker itself.
    Marker,
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

/// A replica of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replica {
    /// Its log, by offset; begins before `start` when records were deleted.
    pub log: Chunked<LogCell>,
    /// The log start offset.
    pub start: Offset,
    /// The log end offset: that of the next record.
    pub end: Offset,
    /// The high watermark, as this replica knows it.
    pub high_watermark: Offset,
    /// The last stable offset, as this replica knows it.
    pub last_stable_offset: Offset,
    /// The leader epoch that it is in; -1: none yet.
    pub leader_epoch: LeaderEpoch,
    /// It believes that it leads.
    pub leads: bool,
    /// Open transactions: the producer and the offset of its first record.
    pub open: Vec<(ProducerId, Offset)>,
}

impl Replica {
    /// The cells that are there: from the log start offset on.
    pub fn cells(&self) -> impl Iterator<Item = &LogCell> {
        let first = self.log.partition_point(|cell| cell.offset < self.start);
        self.log.iter().skip(first)
    }

    fn append(&mut self, batch: &Batch, contents: impl Iterator<Item = Content>) {
        let status = match batch.kind {
            BatchKind::Plain => Status::Plain,
            BatchKind::Transactional => Status::Open,
            BatchKind::Marker { .. } => Status::Marker,
        };
        for (place, content) in contents.enumerate() {
            let sequence = match batch.base_sequence {
                none if none < 0 => none,
                first => crate::engine::kafka::record::sequence_after(first, place as i32),
            };
            self.log.push(LogCell {
                offset: batch.base_offset + place as Offset,
                base_offset: batch.base_offset,
                leader_epoch: batch.leader_epoch,
                producer_id: batch.producer_id,
                producer_epoch: batch.producer_epoch,
                sequence,
                content,
                status,
                further_copy: false,
            });
        }
        self.end = batch.next_offset();
        match batch.kind {
            BatchKind::Transactional if !self.open.iter().any(|open| open.0 == batch.producer_id) => {
                self.open.push((batch.producer_id, batch.base_offset));
            }
            BatchKind::Marker { kind, .. } => self.end_transaction(batch.producer_id, kind),
            BatchKind::Plain | BatchKind::Transactional => {}
        }
    }

    fn end_transaction(&mut self, producer_id: ProducerId, kind: MarkerKind) {
        let Some(place) = self.open.iter().position(|open| open.0 == producer_id) else { return };
        let (_, first) = self.open.remove(place);
        let status = match kind {
            MarkerKind::Commit => Status::Committed,
            MarkerKind::Abort => Status::Aborted,
        };
        for place in self.log.partition_point(|cell| cell.offset < first)..self.log.len() {
            let ends = |cell: &LogCell| cell.producer_id == producer_id && cell.status == Status::Open;
            if self.log.get(place).is_some_and(ends)
                && let Some(cell) = self.log.get_mut(place)
            {
                cell.status = status;
            }
        }
    }

    fn truncate(&mut self, to: Offset) {
        // What a lost marker had ended is open again.
        let kept = self.log.partition_point(|cell| cell.offset < to);
        let lost: Vec<LogCell> = self.log.iter().skip(kept).copied().collect();
        self.log.truncate(kept);
        for marker in lost.iter().filter(|cell| cell.status == Status::Marker) {
            self.reopen(marker.producer_id);
        }
        self.open.retain(|open| open.1 < to);
        self.end = self.end.min(to);
    }

    /// Opens the transaction that a producer's last marker in the log leaves open.
    fn reopen(&mut self, producer_id: ProducerId) {
        let mut first = None;
        for place in (0..self.log.len()).rev() {
            let Some(cell) = self.log.get(place).filter(|cell| cell.producer_id == producer_id) else {
                continue;
            };
            match cell.status {
                Status::Marker => break,
                Status::Committed | Status::Aborted => {
                    first = Some(cell.offset);
                    if let Some(cell) = self.log.get_mut(place) {
                        cell.status = Status::Open;
                    }
                }
                Status::Plain | Status::Open => {}
            }
        }
        if let Some(first) = first {
            self.open.push((producer_id, first));
        }
    }
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
    /// By `TransactionalId`: as its coordinator has it.
    pub transactions: Vec<Option<TransactionMetadata>>,
    /// By `GroupId`.
    pub groups: Vec<GroupView>,
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
            BrokerState { replicas: partitions.iter().map(replica).collect(), ..BrokerState::default() }
        };
        State {
            count: 0,
            at: Time::ZERO,
            brokers: (0..usize::from(setup.brokers)).map(broker).collect(),
            applications: setup.applications.iter().map(|a| initial_application(&a.client)).collect(),
            transactions: vec![None; setup.transactional_ids.len()],
            groups: vec![GroupView::default(); setup.groups.len()],
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

    /// Lets the next entry happen. What it changed is added to `changed`.
    pub fn apply(&mut self, story: Story, entry: &Entry) {
        self.count = entry.id.0 as usize + 1;
        self.at = entry.at;
        match entry.actor {
            Node::Broker(broker) => self.broker_fact(story, broker, entry),
            Node::Client(client) => self.client_fact(story, client, entry),
            Node::Controller | Node::Script => {}
        }
        self.cluster_fact(entry);
    }

    fn replica_mut(&mut self, broker: BrokerId, partition: PartitionId) -> Option<&mut Replica> {
        let replicas = &mut self.brokers.get_mut(broker.index())?.replicas;
        // A reassignment gives a broker copies that it did not have at the start.
        Some(replicas.get_mut(partition.index())?.get_or_insert_default())
    }

    fn broker_fact(&mut self, story: Story, broker: BrokerId, entry: &Entry) {
        if let Some(life) = broker_life(&entry.event) {
            if let Some(state) = self.brokers.get_mut(broker.index()) {
                state.life = life;
                if life == Life::Down {
                    state.replicas.iter_mut().flatten().for_each(|replica| replica.leads = false);
                }
            }
            self.changed.push(Changed::Broker(broker));
            return;
        }
        match entry.event {
            Event::BatchAppended { batch } => self.appended(story, broker, &batch),
            Event::HighWatermarkMoved { partition, to } => {
                if let Some(replica) = self.replica_mut(broker, partition) {
                    replica.high_watermark = to;
                }
                self.changed.push(Changed::HighWatermark(broker, partition));
            }
            Event::LastStableOffsetMoved { partition, to } => {
                if let Some(replica) = self.replica_mut(broker, partition) {
                    replica.last_stable_offset = to;
                }
                self.changed.push(Changed::LastStableOffset(broker, partition));
            }
            Event::LogTruncated { partition, to } => {
                if let Some(replica) = self.replica_mut(broker, partition) {
                    replica.truncate(to);
                }
                self.changed.push(Changed::Log { broker, partition, from: to });
            }
            Event::LogWiped { partition } => {
                if let Some(replica) = self.replica_mut(broker, partition) {
                    *replica = Replica { leader_epoch: -1, ..Replica::default() };
                }
                self.changed.push(Changed::Log { broker, partition, from: 0 });
            }
            Event::LogStartMoved { partition, to } => {
                if let Some(replica) = self.replica_mut(broker, partition) {
                    replica.start = to;
                    if to > replica.end {
                        replica.log = Chunked::default();
                        replica.open.clear();
                        replica.end = to;
                    }
                }
                self.changed.push(Changed::Log { broker, partition, from: to });
            }
            Event::BecameLeader { partition, leader_epoch } => {
                self.led(broker, partition, leader_epoch, true);
            }
            Event::BecameFollower { partition, leader_epoch, .. } => {
                self.led(broker, partition, leader_epoch, false);
            }
            _ => {}
        }
    }

    fn led(&mut self, broker: BrokerId, partition: PartitionId, leader_epoch: LeaderEpoch, leads: bool) {
        if let Some(replica) = self.replica_mut(broker, partition) {
            replica.leader_epoch = leader_epoch;
            replica.leads = leads;
        }
        self.changed.push(Changed::Partition(partition));
    }

    fn appended(&mut self, story: Story, broker: BrokerId, batch: &Batch) {
        let partition = batch.partition;
        let replicas = self.brokers.get_mut(broker.index()).map(|broker| &mut broker.replicas);
        let Some(replica) = replicas.and_then(|replicas| replicas.get_mut(partition.index())) else { return };
        let replica = replica.get_or_insert_default();
        match batch.kind {
            BatchKind::Marker { kind, .. } => {
                replica.append(batch, std::iter::once(Content::Marker(kind)));
            }
            BatchKind::Plain | BatchKind::Transactional => {
                let payloads = story.arenas.payloads.get(batch.records);
                let from = replica.log.len();
                replica.append(batch, payloads.iter().map(content));
                mark_copies(replica, from, &self.records);
            }
        }
        self.changed.push(Changed::Log { broker, partition, from: batch.base_offset });
        if let (PartitionId::CONSUMER_OFFSETS, BatchKind::Marker { kind: MarkerKind::Abort, .. }) =
            (partition, batch.kind)
        {
            // Aborted offsets are forgotten without a fact of their own.
            for (place, group) in self.groups.iter_mut().enumerate() {
                let before = group.pending.len();
                group.pending.retain(|pending| pending.2 != batch.producer_id);
                if group.pending.len() < before {
                    self.changed.push(Changed::Group(GroupId(place as u8)));
                }
            }
        }
    }

    fn client_fact(&mut self, story: Story, client: ClientId, entry: &Entry) {
        let Some(instance) = story.index.names.instance(client) else { return };
        let application = instance.application;
        if usize::from(application.0) >= self.applications.len() {
            // The client that serves `read` steps takes no part.
            return;
        }
        self.record_fact(&entry.event);
        if let Event::RequestSent { request, .. } = entry.event {
            for record in story.request_records(&request) {
                if let Some(state) = self.records.get_mut(record.0 as usize) {
                    state.requests += 1;
                }
            }
        }
        if let Event::SinkWritten { record, effect } = entry.event {
            self.changed.push(Changed::Sink(self.sink.len() as u32));
            self.sink.push(SinkRow { application, record, effect });
        }
        let Some(state) = self.applications.get_mut(usize::from(application.0)) else { return };
        let changed = match state {
            ApplicationState::Producer(producer) => producer_fact(producer, story, client, entry),
            ApplicationState::Consumer(consumer) => consumer_fact(consumer, client, entry),
        };
        if changed {
            self.changed.push(Changed::Application(application));
        }
        match entry.event {
            Event::RecordDelivered { partition, .. } | Event::PositionMoved { partition, .. } => {
                self.changed.push(Changed::Position(application, partition));
            }
            _ => {}
        }
    }

    fn record_fact(&mut self, event: &Event) {
        let record = match *event {
            Event::RecordSent { record, .. }
            | Event::SendThrew { record, .. }
            | Event::RecordAcknowledged { record, .. }
            | Event::RecordFailed { record, .. }
            | Event::RecordDelivered { record, .. }
            | Event::RecordProcessed { record }
            | Event::SinkWritten { record, .. } => record,
            _ => return,
        };
        self.changed.push(Changed::Record(record));
        let Some(state) = self.records.get_mut(record.0 as usize) else { return };
        match *event {
            Event::RecordSent { .. } => {
                state.sends += 1;
                (state.acknowledged, state.failed) = (false, false);
            }
            Event::SendThrew { .. } | Event::RecordFailed { .. } => state.failed = true,
            Event::RecordAcknowledged { .. } => state.acknowledged = true,
            Event::RecordDelivered { .. } => state.deliveries += 1,
            Event::RecordProcessed { .. } => state.processed += 1,
            Event::SinkWritten { effect: SinkEffect::Inserted | SinkEffect::Called, .. } => {
                state.effects += 1;
            }
            _ => {}
        }
    }

    fn cluster_fact(&mut self, entry: &Entry) {
        match entry.event {
            Event::BrokerFenced { broker } => self.fenced(broker, true),
            Event::BrokerUnfenced { broker } => self.fenced(broker, false),
            Event::PartitionChanged {
                partition, leader, leader_epoch, partition_epoch, isr, elr, ..
            } => {
                if let Some(state) = self.partitions.get_mut(partition.index()) {
                    let last_leader = leader.or(state.last_leader);
                    let replicas = state.replicas.union(isr);
                    *state = PartitionState {
                        leader,
                        leader_epoch,
                        partition_epoch,
                        isr,
                        elr,
                        replicas,
                        last_leader,
                    };
                    self.changed.push(Changed::Partition(partition));
                }
            }
            Event::TransactionChanged { transaction } => {
                let id = transaction.transactional_id;
                if let Some(state) = self.transactions.get_mut(usize::from(id.0)) {
                    *state = Some(transaction);
                    self.changed.push(Changed::Transaction(id));
                }
            }
            Event::GroupChanged { group, state, generation, members } => {
                if let Some(view) = self.groups.get_mut(usize::from(group.0)) {
                    (view.state, view.generation, view.members) = (state, generation, members);
                    self.changed.push(Changed::Group(group));
                }
            }
            Event::OffsetCommitted { group, partition, offset } => {
                if let Some(view) = self.groups.get_mut(usize::from(group.0)) {
                    view.pending.retain(|pending| (pending.0, pending.1) != (partition, offset));
                    view.committed.retain(|committed| committed.0 != partition);
                    if offset >= 0 {
                        view.committed.push((partition, offset));
                        view.committed.sort_unstable();
                    }
                    self.changed.push(Changed::CommittedOffset(group, partition));
                }
            }
            Event::OffsetPending { group, partition, offset, producer_id } => {
                if let Some(view) = self.groups.get_mut(usize::from(group.0)) {
                    view.pending.retain(|pending| (pending.0, pending.2) != (partition, producer_id));
                    view.pending.push((partition, offset, producer_id));
                    self.changed.push(Changed::Group(group));
                }
            }
            _ => {}
        }
    }

    fn fenced(&mut self, broker: BrokerId, fenced: bool) {
        if let Some(state) = self.brokers.get_mut(broker.index()) {
            state.fenced = fenced;
            self.changed.push(Changed::Broker(broker));
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

fn broker_life(event: &Event) -> Option<Life> {
    match event {
        Event::BrokerStarted | Event::BrokerResumed => Some(Life::Alive),
        Event::BrokerPaused => Some(Life::Paused),
        Event::BrokerKilled | Event::BrokerStopped | Event::BrokerLostPower => Some(Life::Down),
        _ => None,
    }
}

fn content(payload: &Payload) -> Content {
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

/// Marks the cells from a place on whose record the log before them holds already.
fn mark_copies(replica: &mut Replica, from: usize, records: &Chunked<RecordState>) {
    for place in from..replica.log.len() {
        let Some(LogCell { content: Content::Record(record), .. }) = replica.log.get(place).copied() else {
            continue;
        };
        // What was requested once can't be there twice: the log need not be searched.
        if records.get(record.0 as usize).is_none_or(|state| state.requests < 2) {
            continue;
        }
        let copy = |cell: &LogCell| cell.content == Content::Record(record) && cell.status != Status::Aborted;
        let further_copy = replica.log.iter().take(place).any(copy);
        if let Some(cell) = replica.log.get_mut(place) {
            cell.further_copy = further_copy;
        }
    }
}

fn producer_fact(producer: &mut ProducerState, story: Story, client: ClientId, entry: &Entry) -> bool {
    match entry.event {
        Event::ClientStarted { .. } => {
            *producer = ProducerState {
                client: Some(client),
                life: Life::Alive,
                producer_id: NO_PRODUCER_ID,
                producer_epoch: -1,
                manager: TransactionManagerState::default(),
                error: None,
                pending: Vec::new(),
                call: None,
            };
        }
        // An earlier instance has its say, but the state shown is that of the present one.
        _ if producer.client != Some(client) => return false,
        Event::ClientCrashed | Event::ClientClosed => {
            producer.life = Life::Down;
            producer.pending.clear();
            producer.call = None;
        }
        Event::ClientPaused => producer.life = Life::Paused,
        Event::ClientResumed => producer.life = Life::Alive,
        Event::RecordSent { record, partition } => {
            producer.pending.push(PendingRecord { record, partition, progress: Progress::Queued });
        }
        Event::RequestSent { message, to, request: Request::Produce { batches, .. }, .. } => {
            let attempt = story.index.journey(message).map_or(1, |journey| journey.attempt);
            for batch in story.arenas.batches.get(batches) {
                for payload in story.arenas.payloads.get(batch.records) {
                    let Payload::Record(record) = *payload else { continue };
                    let waits = |pending: &&mut PendingRecord| {
                        pending.record == record && pending.partition == batch.partition
                    };
                    if let Some(pending) = producer.pending.iter_mut().find(waits) {
                        pending.progress = Progress::InFlight { message, to, attempt };
                    }
                }
            }
        }
        Event::RetryScheduled { partition, first_record, attempt, error, at } => {
            let first =
                |pending: &&PendingRecord| pending.record == first_record && pending.partition == partition;
            let progress = producer.pending.iter().find(first).map(|pending| pending.progress);
            let Some(Progress::InFlight { message, .. }) = progress else { return false };
            for pending in &mut producer.pending {
                let same = matches!(pending.progress, Progress::InFlight { message: m, .. } if m == message);
                if same && pending.partition == partition {
                    pending.progress = Progress::Retrying { attempt, error, not_before: at };
                }
            }
        }
        Event::RecordAcknowledged { record, .. }
        | Event::RecordFailed { record, .. }
        | Event::SendThrew { record, .. } => {
            if let Some(place) = producer.pending.iter().position(|pending| pending.record == record) {
                producer.pending.remove(place);
            }
        }
        Event::ProducerIdChanged { producer_id, producer_epoch } => {
            (producer.producer_id, producer.producer_epoch) = (producer_id, producer_epoch);
        }
        Event::TransactionManagerChanged { state, error } => {
            (producer.manager, producer.error) = (state, error);
        }
        Event::CallBegan { call } => producer.call = Some(call),
        Event::CallReturned { .. } => producer.call = None,
        _ => return false,
    }
    true
}

fn consumer_fact(consumer: &mut ConsumerState, client: ClientId, entry: &Entry) -> bool {
    match entry.event {
        Event::ClientStarted { .. } => {
            *consumer = ConsumerState {
                client: Some(client),
                life: Life::Alive,
                group: consumer.group,
                assignment: PartitionSet::EMPTY,
                positions: Vec::new(),
                in_hand: Vec::new(),
                call: None,
            };
        }
        _ if consumer.client != Some(client) => return false,
        Event::ClientCrashed | Event::ClientClosed => {
            consumer.life = Life::Down;
            consumer.assignment = PartitionSet::EMPTY;
            consumer.positions.clear();
            consumer.in_hand.clear();
            consumer.call = None;
        }
        Event::ClientPaused => consumer.life = Life::Paused,
        Event::ClientResumed => consumer.life = Life::Alive,
        Event::PartitionsAssigned { partitions } => {
            consumer.assignment = consumer.assignment.union(partitions);
        }
        Event::PartitionsRevoked { partitions } | Event::PartitionsLost { partitions } => {
            consumer.assignment = consumer.assignment.without(partitions);
            consumer.positions.retain(|position| !partitions.contains(position.0));
        }
        Event::PositionMoved { partition, offset, why } => {
            set_position(consumer, partition, offset);
            if why == PositionChange::Seek {
                consumer.in_hand.clear();
            }
        }
        Event::RecordDelivered { record, partition, offset } => {
            set_position(consumer, partition, offset + 1);
            consumer.in_hand.push(record);
        }
        Event::RecordProcessed { record } => {
            if let Some(place) = consumer.in_hand.iter().position(|in_hand| *in_hand == record) {
                consumer.in_hand.remove(place);
            }
        }
        Event::CallBegan { call } => consumer.call = Some(call),
        Event::CallReturned { .. } => consumer.call = None,
        _ => return false,
    }
    true
}

fn set_position(consumer: &mut ConsumerState, partition: PartitionId, offset: Offset) {
    match consumer.positions.iter_mut().find(|position| position.0 == partition) {
        Some(position) => position.1 = offset,
        None => {
            consumer.positions.push((partition, offset));
            consumer.positions.sort_unstable();
        }
    }
}

/// So many entries lie between two kept states.
const CHECKPOINT: usize = 256;

/// States kept along a trace, so that any instant is reached in at most [`CHECKPOINT`] entries.
#[derive(Clone, Debug)]
pub struct History {
    checkpoints: Vec<State>,
}

impl History {
    /// One pass over a trace.
    pub fn new(story: Story) -> History {
        let mut state = State::initial(story);
        let mut checkpoints = vec![state.clone()];
        for entry in story.entries {
            state.changed.clear();
            state.apply(story, entry);
            if state.count.is_multiple_of(CHECKPOINT) {
                checkpoints.push(state.clone());
            }
        }
        History { checkpoints }
    }

    /// The state after the first `count` entries (at most all); `changed` is what the last one changed.
    pub fn at(&self, story: Story, count: usize) -> State {
        self.step(story, count.saturating_sub(1), count)
    }

    /// The state after the first `count` entries; `changed` is what those after the first `since` changed.
    pub fn step(&self, story: Story, since: usize, count: usize) -> State {
        let count = count.min(story.entries.len());
        let since = since.min(count);
        let mut state = self.checkpoints[since / CHECKPOINT].clone();
        self.forward(story, &mut state, since);
        state.changed.clear();
        self.forward(story, &mut state, count);
        state
    }

    /// Brings a state of the same trace to another count, by the shorter way. `changed` is what the entries
    /// between the two changed when going forwards, and what the last one changed when going back.
    pub fn seek(&self, story: Story, state: &mut State, count: usize) {
        let count = count.min(story.entries.len());
        if count >= state.count && count - state.count <= CHECKPOINT {
            state.changed.clear();
            self.forward(story, state, count);
        } else {
            *state = self.at(story, count);
        }
    }

    fn forward(&self, story: Story, state: &mut State, count: usize) {
        for entry in &story.entries[state.count..count.max(state.count)] {
            state.apply(story, entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{P, Run, T, b, lost_acknowledgement, r, transactions_and_failover};

    fn records(replica: &Replica) -> Vec<(u32, Status, bool)> {
        let record = |cell: &LogCell| match cell.content {
            Content::Record(record) => Some((record.0, cell.status, cell.further_copy)),
            _ => None,
        };
        replica.cells().filter_map(record).collect()
    }

    /// The number of entries up to and including the first that a predicate holds for.
    fn after(run: &Run, happened: impl Fn(&Entry) -> bool) -> usize {
        run.trace.entries().iter().position(happened).expect("it happens") + 1
    }

    #[test]
    fn a_lost_acknowledgement_step_by_step() {
        let run = lost_acknowledgement();
        let history = History::new(run.story());
        let lost = after(&run, |entry| matches!(entry.event, Event::MessageLost { .. }));
        let state = history.at(run.story(), lost);
        let producer = state.producer(ApplicationId(0)).expect("P");
        assert_eq!(producer.in_flight(), [(MessageId(3), b(1), 1, vec![r(1)])]);
        let state = history.at(run.story(), lost + 1);
        let producer = state.producer(ApplicationId(0)).expect("P");
        let progress = producer.pending[0].progress;
        assert!(matches!(progress, Progress::Retrying { attempt: 2, not_before: Time(109_200), .. }));
        assert_eq!(state.changed, [Changed::Application(ApplicationId(0))]);

        let last = history.at(run.story(), usize::MAX);
        let leader = last.leading_replica(T).expect("B1 leads");
        assert_eq!(
            records(leader),
            [(0, Status::Plain, false), (1, Status::Plain, false), (1, Status::Plain, true)]
        );
        assert_eq!((leader.end, leader.high_watermark), (3, 3));
        assert_eq!(last.replica(BrokerId(2), T).map(|replica| replica.end), Some(3));
        assert!(last.producer(ApplicationId(0)).expect("P").pending.is_empty());
        let consumer = last.consumer(ApplicationId(1)).expect("C");
        assert_eq!((consumer.position(T), consumer.in_hand.len()), (Some(3), 0));
        let rows: Vec<u32> = last.sink.iter().map(|row| row.record.0).collect();
        assert_eq!(rows, [0, 1, 1]);
    }

    #[test]
    fn aborted_records_and_what_a_failover_takes() {
        let run = transactions_and_failover();
        let history = History::new(run.story());
        let killed = after(&run, |entry| matches!(entry.event, Event::BrokerKilled));
        let before = history.at(run.story(), killed - 1);
        let leader = before.leading_replica(T).expect("B1 leads");
        assert_eq!(records(leader), [(0, Status::Committed, false), (1, Status::Aborted, false)]);
        assert_eq!(leader.open, []);
        let last = history.at(run.story(), usize::MAX);
        assert_eq!(last.partitions[T.index()].leader, Some(BrokerId(2)));
        for broker in [1, 2] {
            let replica = last.replica(BrokerId(broker), T).expect("a replica");
            assert_eq!(records(replica), [(0, Status::Committed, false)], "B{broker}");
            assert_eq!(replica.end, 2);
        }
    }

    #[test]
    fn a_lost_marker_leaves_its_transaction_open() {
        let mut replica = Replica::default();
        let batch = |kind: BatchKind, base_offset: Offset| Batch {
            partition: T,
            base_offset,
            leader_epoch: 0,
            producer_id: 7,
            producer_epoch: 0,
            base_sequence: 0,
            kind,
            records: Default::default(),
            bytes: 0,
        };
        let marker = |kind: MarkerKind| BatchKind::Marker { kind, coordinator_epoch: 0 };
        replica.append(&batch(BatchKind::Transactional, 0), [Content::Record(r(0))].into_iter());
        replica
            .append(&batch(marker(MarkerKind::Commit), 1), [Content::Marker(MarkerKind::Commit)].into_iter());
        replica.append(&batch(BatchKind::Transactional, 2), [Content::Record(r(1))].into_iter());
        replica
            .append(&batch(marker(MarkerKind::Abort), 3), [Content::Marker(MarkerKind::Abort)].into_iter());
        assert_eq!(records(&replica), [(0, Status::Committed, false), (1, Status::Aborted, false)]);
        replica.truncate(3);
        assert_eq!(records(&replica), [(0, Status::Committed, false), (1, Status::Open, false)]);
        assert_eq!(replica.open, [(7, 2)]);
    }

    /// Prints what a long run costs: `cargo test --release -- --ignored --nocapture a_long_run`.
    #[test]
    #[ignore = "a measurement"]
    fn a_long_run() {
        use crate::view::narration::lines;
        use crate::view::scene::{Options, Scene};
        use crate::view::steps::Steps;
        let mut run =
            Run::new("kafka-guarantees 1\ntopic t replicas=B1,B2,B3\nproducer P\nP send r0..r8999\n");
        run.at(0, P, Event::ClientStarted { application: ApplicationId(0), incarnation: 0 });
        for n in 0..9000_u32 {
            let us = u64::from(n) * 900;
            run.at(us, P, Event::RecordSent { record: r(n), partition: T });
            let batch = run.batch(&[n]);
            let message = run.produce(us, b(1), batch);
            run.at(us + 100, b(1), Event::RequestReceived { message, from: P });
            run.append(us + 100, b(1), batch, i64::from(n));
            let appended = Batch { base_offset: i64::from(n), leader_epoch: 0, ..batch };
            run.fetch(us + 200, b(2), b(1), &[appended], us + 300);
            run.append(us + 300, b(2), batch, i64::from(n));
            run.acknowledge(us + 400, b(1), message, i64::from(n));
            run.at(us + 500, P, Event::ResponseReceived { message, from: b(1) });
            run.at(us + 500, P, Event::RecordAcknowledged { record: r(n), partition: T, offset: n.into() });
        }
        let mut watch = std::time::Instant::now();
        let mut lap = |what: &str| {
            println!("{what}: {} us", watch.elapsed().as_micros());
            watch = std::time::Instant::now();
        };
        let run = run.finish();
        lap("index");
        let story = run.story();
        let scene = Scene::build(story, &Options::default());
        lap("scene");
        let lines = lines(story, &Options::default());
        lap("lines");
        let steps = Steps::new(story, &scene, &lines);
        lap("steps");
        let history = History::new(story);
        lap("history");
        let states = (0..1000).map(|n| history.at(story, n * 97).count).sum::<usize>();
        lap("1000 states");
        let seen = (0..1000).map(|n| scene.visible(f64::from(n), f64::from(n) + 50.0).count()).sum::<usize>();
        lap("1000 views");
        println!(
            "{} entries, {} marks, {} steps, {states}, {seen}",
            story.entries.len(),
            scene.marks.len(),
            steps.list.len()
        );
        println!("{} bytes a mark, {} a fact", size_of::<crate::view::timeline::Mark>(), size_of::<Entry>());
    }

    #[test]
    fn every_way_to_an_instant_leads_to_the_same_state() {
        let mut run = Run::new("kafka-guarantees 1\ntopic t replicas=B1\nproducer P\nP send r0..r9\n");
        run.at(0, P, Event::ClientStarted { application: ApplicationId(0), incarnation: 0 });
        for n in 0..300_u32 {
            let (us, record) = (u64::from(n) * 10, n % 10);
            run.at(us, P, Event::RecordSent { record: r(record), partition: T });
            let batch = run.batch(&[record]);
            let message = run.produce(us, b(1), batch);
            run.append(us + 5, b(1), batch, i64::from(n));
            run.acknowledge(us + 6, b(1), message, i64::from(n));
        }
        let run = run.finish();
        let story = run.story();
        let history = History::new(story);
        let mut forward = State::initial(story);
        let mut wandering = State::initial(story);
        for (count, entry) in story.entries.iter().enumerate() {
            forward.changed.clear();
            forward.apply(story, entry);
            assert_eq!(history.at(story, count + 1), forward);
            // Back and forth, across the kept states.
            let other = (count * 37) % story.entries.len();
            history.seek(story, &mut wandering, other);
            assert_eq!(wandering.count, other);
            history.seek(story, &mut wandering, count + 1);
            wandering.changed.clone_from(&forward.changed);
            assert_eq!(wandering, forward);
        }
        assert!(story.entries.len() > 4 * CHECKPOINT);
    }
}
