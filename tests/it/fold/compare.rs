//! The state that a trace tells, against the world that it stands for: all that is ever shown, but for what only the
//! trace has (which call an application waits in, which copy of a record came first, how often it was tried).

use kafka_guarantees::engine::application;
use kafka_guarantees::engine::kafka::broker::Broker;
use kafka_guarantees::engine::kafka::event::{SinkEffect, TransactionManagerState, TransactionState};
use kafka_guarantees::engine::kafka::partition_log::PartitionLog;
use kafka_guarantees::engine::kafka::record::{Batch, BatchKind, MarkerKind};
use kafka_guarantees::engine::kafka::transaction_state::NO_PRODUCER_EPOCH;
use kafka_guarantees::engine::kafka::types::*;
use kafka_guarantees::engine::ledger::Answer;
use kafka_guarantees::engine::script::ClientConfig;
use kafka_guarantees::engine::world::{Client, ClientKind, World};
use kafka_guarantees::view::lanes::Life;
use kafka_guarantees::view::state::{
    ApplicationState, ConsumerState, Content, GroupView, LogCell, ProducerState, Progress, Replica, State,
    Status,
};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// What was found to differ.
pub struct Differences<'a> {
    world: &'a World,
    found: Vec<String>,
}

impl Differences<'_> {
    fn compare<T: PartialEq + Debug>(&mut self, what: impl Fn() -> String, told: T, held: T) {
        if told != held {
            self.found.push(format!("{}: the trace tells {told:?}, the world holds {held:?}", what()));
        }
    }
}

/// Where the state that the trace tells and the world disagree. `fates`: the state as of the end of the script, after
/// which the ledger does not look at clients any more; else the same state.
pub fn disagreements(world: &World, state: &State, fates: &State) -> Vec<String> {
    let mut differences = Differences { world, found: Vec::new() };
    differences.partitions(state);
    differences.brokers(state);
    differences.transactions(state);
    differences.groups(state);
    for (index, application) in state.applications.iter().enumerate() {
        let id = ApplicationId(index as u8);
        match application {
            ApplicationState::Producer(producer) => differences.producer(id, producer),
            ApplicationState::Consumer(consumer) => differences.consumer(id, consumer),
        }
    }
    differences.fates(fates);
    differences.found
}

impl Differences<'_> {
    fn partitions(&mut self, state: &State) {
        for (index, held) in self.world.image().partitions.iter().enumerate() {
            let told = &state.partitions[index];
            self.compare(
                || format!("partition {index}"),
                (told.leader, told.leader_epoch, told.partition_epoch, told.isr, told.elr),
                (held.leader, held.leader_epoch, held.partition_epoch, held.isr, held.elr),
            );
        }
    }

    fn brokers(&mut self, state: &State) {
        let world = self.world;
        for (index, broker) in world.brokers.iter().enumerate() {
            let id = BrokerId::from_index(index);
            let told = &state.brokers[index];
            let life = match () {
                () if !broker.is_running() => Life::Down,
                () if world.is_paused(Node::Broker(id)) => Life::Paused,
                () => Life::Alive,
            };
            self.compare(
                || format!("{id}"),
                (told.life, told.fenced),
                (life, world.image().broker(id).fenced),
            );
            for partition in (0..world.image().partitions.len()).map(|index| PartitionId(index as u8)) {
                self.replica(id, partition, state.replica(id, partition));
            }
        }
    }

    fn replica(&mut self, broker: BrokerId, partition: PartitionId, told: Option<&Replica>) {
        let world = self.world;
        let what = |about: &'static str| move || format!("{broker}, partition {}, {about}", partition.0);
        let held = world.brokers[broker.index()].replicas().partition(partition);
        let (Some(held), Some(told)) = (held, told) else {
            let is_empty = held.is_none_or(|held| held.log.batches().is_empty());
            return self.compare(what("replica"), told.is_none(), is_empty);
        };
        let log = &held.log;
        self.compare(
            what("start, high watermark, last stable offset and end"),
            (told.start, told.high_watermark, told.last_stable_offset, told.end),
            (log.log_start_offset(), log.high_watermark(), log.last_stable_offset(), log.log_end_offset()),
        );
        if world.brokers[broker.index()].is_running() {
            self.compare(
                what("leadership and leader epoch"),
                (told.leads, told.leader_epoch),
                (held.is_leader(), held.leader_epoch),
            );
        }
        let mut open: Vec<(ProducerId, Offset)> = (log.producers().producers().iter())
            .filter_map(|state| Some((state.producer_id, state.current_transaction_first_offset?)))
            .collect();
        let mut told_open = told.open.clone();
        open.sort_unstable();
        told_open.sort_unstable();
        self.compare(what("open transactions"), told_open, open);
        let told_cells: Vec<LogCell> =
            told.cells().map(|cell| LogCell { further_copy: false, ..*cell }).collect();
        let held_cells = self.cells(broker, partition);
        self.compare(what("length"), told_cells.len(), held_cells.len());
        for (told, held) in told_cells.iter().zip(&held_cells) {
            self.compare(what("log"), told, held);
        }
    }

    /// A log, offset by offset, as the broker holds it.
    fn cells(&self, broker: BrokerId, partition: PartitionId) -> Vec<LogCell> {
        let Some(log) = self.world.brokers[broker.index()].log(partition) else { return Vec::new() };
        let aborted = aborted_batches(log);
        let mut cells = Vec::new();
        for (index, batch) in log.batches().iter().enumerate() {
            let ends = |other: &&Batch| other.is_marker() && other.producer_id == batch.producer_id;
            let status = match () {
                () if batch.is_marker() => Status::Marker,
                () if !batch.is_transactional() => Status::Plain,
                () if aborted[index] => Status::Aborted,
                () if log.batches()[index..].iter().any(|other| ends(&other)) => Status::Committed,
                () => Status::Open,
            };
            let contents: Vec<Content> = match batch.kind {
                BatchKind::Marker { kind, .. } => {
                    vec![Content::Marker(kind)]
                }
                _ => self.world.stage.arenas.payloads.get(batch.records).iter().map(Content::of).collect(),
            };
            for (place, content) in contents.into_iter().enumerate() {
                let sequence = if batch.base_sequence < 0 {
                    batch.base_sequence
                } else {
                    batch.base_sequence + place as i32
                };
                cells.push(LogCell {
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
        }
        cells.retain(|cell| cell.offset >= log.log_start_offset());
        cells
    }

    /// What each broker knows that coordinates transactions, or believes that it does.
    fn transactions(&mut self, state: &State) {
        for (index, broker) in self.world.brokers.iter().enumerate() {
            let coordinator = broker.transaction_coordinator();
            if !broker.is_running() || !coordinator.is_serving() {
                continue;
            }
            // An id without an epoch is asked for the first time: nothing of it is durable yet.
            for held in coordinator.transactions().filter(|held| held.producer_epoch >= 0) {
                let id = usize::from(held.transactional_id.0);
                let mut told = state.brokers[index].coordinated.transactions[id];
                // A fence that is under way raises the epoch, and forgets the one before, before it is durable.
                if let Some(told) = &mut told
                    && held.state == TransactionState::Ongoing
                    && told.producer_epoch + 1 == held.producer_epoch
                {
                    told.producer_epoch = held.producer_epoch;
                    told.last_producer_epoch = NO_PRODUCER_EPOCH;
                }
                let what = || format!("{}, transactional id {id}", BrokerId::from_index(index));
                self.compare(what, told, Some(*held));
            }
        }
        self.coordinator(
            "transactions",
            PartitionId::TRANSACTION_STATE,
            state.transaction_coordinator,
            |broker| broker.transaction_coordinator().is_serving(),
        );
    }

    /// What each broker knows that coordinates groups, or believes that it does.
    fn groups(&mut self, state: &State) {
        for (index, broker) in self.world.brokers.iter().enumerate() {
            let coordinator = broker.group_coordinator();
            if !broker.is_running() || !coordinator.is_serving() {
                continue;
            }
            for (number, told) in state.brokers[index].coordinated.groups.iter().enumerate() {
                let id = GroupId(number as u8);
                let what = || format!("{}, group {number}", BrokerId::from_index(index));
                let GroupView { state, generation, members, committed, pending } = told;
                if let Some(held) = coordinator.groups().iter().find(|group| group.id() == id) {
                    self.compare(
                        what,
                        (*state, *generation, *members as usize),
                        (held.state(), held.generation(), held.member_count()),
                    );
                }
                let mut held: Vec<_> = coordinator.offsets().committed_of(id).collect();
                held.sort_unstable();
                self.compare(|| what() + ", committed offsets", committed, &held);
                let mut held: Vec<_> = coordinator.offsets().pending_of(id).collect();
                let mut told = pending.clone();
                held.sort_unstable();
                told.sort_unstable();
                self.compare(|| what() + ", pending offsets", told, held);
            }
        }
        self.coordinator("groups", PartitionId::CONSUMER_OFFSETS, state.group_coordinator, |broker| {
            broker.group_coordinator().is_serving()
        });
    }

    /// The broker whose knowledge is shown is the one that clients are sent to, where that one knows that it leads.
    fn coordinator(
        &mut self,
        of: &str,
        partition: PartitionId,
        told: Option<BrokerId>,
        is_serving: fn(&Broker) -> bool,
    ) {
        let image = self.world.image().partition(partition);
        let Some(leader) = image.leader else { return };
        let broker = &self.world.brokers[leader.index()];
        let knows = broker
            .replicas()
            .partition(partition)
            .is_some_and(|held| held.is_leader() && held.leader_epoch == image.leader_epoch);
        if broker.is_running() && knows && is_serving(broker) {
            self.compare(|| format!("the coordinator of {of}"), told, Some(leader));
        }
    }

    /// The present client instance of an application, if there was one, and how its process is.
    fn client(&mut self, id: ApplicationId, told: Option<ClientId>, life: Life) -> Option<&Client> {
        let world = self.world;
        let held = world.applications[usize::from(id.0)].client;
        self.compare(|| format!("application {}, client", id.0), told, held);
        let client = &world.clients[usize::from(held?.0)];
        let held_life = match () {
            () if !client.alive || client.closed => Life::Down,
            () if world.is_paused(Node::Client(held?)) => Life::Paused,
            () => Life::Alive,
        };
        self.compare(|| format!("application {}, life", id.0), life, held_life);
        Some(client)
    }

    fn producer(&mut self, id: ApplicationId, told: &ProducerState) {
        let world = self.world;
        self.client(id, told.client, told.life);
        let Some(client) = world.applications[usize::from(id.0)].client else { return };
        let ClientKind::Producer(producer) = &world.clients[usize::from(client.0)].kind else {
            return self.found.push(format!("application {} is no producer", id.0));
        };
        let what = |about: &'static str| move || format!("application {}, {about}", id.0);
        if told.life == Life::Down {
            return;
        }
        let held = producer.transaction_manager();
        let producer_id = held.map_or((NO_PRODUCER_ID, -1), |manager| manager.producer());
        self.compare(what("producer id and epoch"), (told.producer_id, told.producer_epoch), producer_id);
        let manager = held.map_or((TransactionManagerState::Uninitialized, None), |manager| {
            (manager.state(), manager.last_error())
        });
        if held.is_some_and(|manager| manager.is_transactional()) {
            self.compare(what("transaction manager"), (told.manager, told.error), manager);
        }
        let mut told: Vec<_> = (told.pending.iter())
            .map(|pending| {
                (pending.record, pending.partition, matches!(pending.progress, Progress::InFlight { .. }))
            })
            .collect();
        let mut held = producer.pending();
        told.sort_unstable();
        held.sort_unstable();
        self.compare(what("records without an answer"), told, held);
    }

    fn consumer(&mut self, id: ApplicationId, told: &ConsumerState) {
        let world = self.world;
        self.client(id, told.client, told.life);
        let application: &application::ApplicationState = &world.applications[usize::from(id.0)];
        let Some(client) = application.client else { return };
        let ClientKind::Consumer(consumer) = &world.clients[usize::from(client.0)].kind else {
            return self.found.push(format!("application {} is no consumer", id.0));
        };
        if told.life == Life::Down {
            return;
        }
        let what = |about: &'static str| move || format!("application {}, {about}", id.0);
        self.compare(what("assignment"), told.assignment, consumer.assignment());
        // While a position is looked up anew, the last one stays to be seen.
        let is_known = |partition: &PartitionId| consumer.position(*partition).is_some();
        let told_known: Vec<_> =
            told.positions.iter().copied().filter(|(partition, _)| is_known(partition)).collect();
        let held: Vec<_> = (consumer.assignment().iter())
            .filter_map(|partition| Some((partition, consumer.position(partition)?)))
            .collect();
        self.compare(what("positions"), told_known, held);
        let elsewhere = told.positions.iter().filter(|(partition, _)| !told.assignment.contains(*partition));
        self.compare(what("positions in partitions that it does not own"), elsewhere.count(), 0);
        // What a poll of this very instant returned is taken within the instant.
        let in_hand = application.in_hand.iter().map(|item| item.record);
        let held: Vec<RecordId> = in_hand.chain(consumer.polled().iter().map(|polled| polled.0)).collect();
        self.compare(what("records in hand"), &told.in_hand, &held);
    }

    /// What became of each record, and what the sinks hold.
    fn fates(&mut self, told: &State) {
        let world = self.world;
        for (index, held) in world.stage.ledger.records.iter().enumerate() {
            let told = *told.records.get(index).expect("all records are there");
            let (acknowledged, unasked, failed) = match held.answer {
                Answer::NotSent | Answer::Pending => (false, false, false),
                Answer::Acknowledged(offset) => (offset >= 0, offset < 0, false),
                Answer::Failed(_) | Answer::Threw(_) => (false, false, true),
            };
            self.compare(
                || format!("record {}", world.stage.setup.records[index].name),
                (told.sends, told.acknowledged, told.unasked, told.failed, told.processed, told.effects),
                (held.sends, acknowledged, unasked, failed, held.processed, held.effects),
            );
        }
        let rows: Vec<RecordId> = (told.sink.iter())
            .filter(|row| row.effect == SinkEffect::Inserted)
            .map(|row| row.record)
            .collect();
        self.compare(|| "sink".to_string(), &rows, &world.stage.ledger.sink_rows);
        let is_consumer = |index: usize| {
            matches!(world.stage.setup.applications[index].client, ClientConfig::Consumer { .. })
        };
        for row in told.sink.iter() {
            let index = usize::from(row.application.0);
            self.compare(|| "who writes to a sink".to_string(), is_consumer(index), true);
        }
    }
}

/// Which batches of a log belong to transactions that were aborted.
fn aborted_batches(log: &PartitionLog) -> Vec<bool> {
    let mut aborted = vec![false; log.batches().len()];
    let mut open: BTreeMap<ProducerId, Vec<usize>> = BTreeMap::new();
    for (index, batch) in log.batches().iter().enumerate() {
        match batch.kind {
            BatchKind::Plain => {}
            BatchKind::Transactional => open.entry(batch.producer_id).or_default().push(index),
            BatchKind::Marker { kind, .. } => {
                for member in open.remove(&batch.producer_id).unwrap_or_default() {
                    aborted[member] = kind == MarkerKind::Abort;
                }
            }
        }
    }
    aborted
}
